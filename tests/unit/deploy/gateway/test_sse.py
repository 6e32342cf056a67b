import json
import random

import pytest

from paceline.deploy.gateway.sse import (
    MOST_EVENT_BYTES,
    Counts,
    EventFilter,
    ModelNames,
    counts_in,
)

ROLE = b'data: {"model":"eng","choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
TOKEN = b'data: {"model":"eng","choices":[{"delta":{"content":" word"}}]}\n\n'
FINISH = b'data: {"model":"eng","choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"model":"eng","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = ROLE + TOKEN * 3 + FINISH + USAGE + DONE


def said(counts: Counts | None) -> tuple[int, int] | None:
    return None if counts is None else (counts.input_tokens, counts.output_tokens)


def a_filter(*, wants_usage: bool = False) -> EventFilter:
    return EventFilter(wants_usage=wants_usage, names=ModelNames("eng", "demo"))


def test_it_counts_output_and_reads_the_engines_usage() -> None:
    events = a_filter()
    passed = events.feed(STREAM)
    assert events.events == 3 and said(events.counts) == (7, 3)
    assert events.done and not events.bad
    assert b'"usage"' not in passed and passed.count(b'"model":"demo"') == 5
    assert passed.endswith(DONE)


def test_usage_that_was_asked_for_is_passed_on() -> None:
    assert b'"prompt_tokens":7' in a_filter(wants_usage=True).feed(STREAM)


def test_usage_beside_a_choice_is_passed_on_and_read() -> None:
    last = FINISH.replace(
        b'"choices"', b'"usage":{"prompt_tokens":1,"completion_tokens":2},"choices"'
    )
    events = a_filter()
    assert events.feed(last) and said(events.counts) == (1, 2)


@pytest.mark.parametrize("ends", [b"\n\n", b"\r\n\r\n"])
def test_any_cut_of_the_bytes_gives_the_same_events(ends: bytes) -> None:
    stream = STREAM.replace(b"\n\n", ends)
    whole = a_filter().feed(stream)
    rng = random.Random(1)
    for _ in range(200):
        cuts = sorted(rng.sample(range(len(stream)), 5))
        events = a_filter()
        pieces = zip([0, *cuts], [*cuts, len(stream)], strict=True)
        assert b"".join(events.feed(stream[start:end]) for start, end in pieces) == whole
        assert events.done and events.events == 3


TEXTS = [" a", "\\u00e9", "", "“", "\\n", '\\"', "}", "data: {", " [DONE]", "b\\\\"]


@pytest.mark.parametrize("field", ["content", "reasoning_content", "text"])
@pytest.mark.parametrize(
    "form",
    [
        'data: {"id":"1","model":"eng","choices":[{"delta":{"FIELD":"TEXT"},"logprobs":null}]}\n\n',
        'data: {"choices": [{"delta": {"FIELD": "TEXT"}}], "model": "eng", "usage": null}\n\n',
        'data: {"choices":[{"delta":{"FIELD":"TEXT"}}],"object":"chat.completion.chunk"}\n\n',
    ],
)
def test_events_that_differ_in_their_text_pass_like_the_first(form: str, field: str) -> None:
    events, alone = a_filter(), 0
    for text in TEXTS * 3:
        event = form.replace("FIELD", field).replace("TEXT", text).encode()
        single = a_filter()
        assert events.feed(event) == single.feed(event) == ModelNames("eng", "demo").answered(event)
        alone += single.events
    assert events.events == alone > 20 and not events.bad


def test_what_has_the_shape_of_an_event_at_both_ends_only_is_looked_at() -> None:
    events = a_filter()
    events.feed(TOKEN)
    events.feed(TOKEN)
    middle = b'"}}]}\n\n' + DONE + b'data: {"model":"eng","choices":[{"delta":{"content":"'
    events.feed(TOKEN.replace(b" word", b"a" + middle + b"b"))
    assert events.done and events.events == 4


def test_events_of_one_piece_may_end_in_different_ways() -> None:
    stream = TOKEN + TOKEN.replace(b"\n\n", b"\r\n\r\n") + TOKEN + DONE
    events = a_filter()
    assert events.feed(stream) == stream.replace(b"eng", b"demo")
    assert events.events == 3 and events.done


def test_half_an_event_is_kept_back() -> None:
    assert a_filter().feed(TOKEN[:-1]) == b""


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices": [\n\n',
        b'data: {"error":{"message":"died"}}\n\n',
        b'data: {"error": {"message": "died"}}\n\n',
        b"data: hello\n\n",
    ],
)
def test_what_is_no_event_or_an_error_ends_the_stream(event: bytes) -> None:
    events = a_filter()
    assert events.feed(TOKEN + event + TOKEN) == TOKEN.replace(b"eng", b"demo")
    assert events.bad


def test_comments_and_other_fields_pass() -> None:
    assert a_filter().feed(b": ping\n\n") == b": ping\n\n"


def test_a_name_in_the_text_is_not_changed() -> None:
    text = json.dumps({"choices": [{"text": '"model":"eng"'}], "model": "eng"}).encode()
    assert json.loads(ModelNames("eng", "demo").answered(text)) == {
        "choices": [{"text": '"model":"eng"'}],
        "model": "demo",
    }
    assert ModelNames("demo", "demo").answered(text) is text


def test_counts_are_those_of_the_last_usage_and_never_of_text() -> None:
    text = json.dumps({"content": '"usage": {"prompt_tokens": 99}', "x": 1}).encode()
    assert counts_in(text) is None
    assert said(counts_in(b'{"usage": {"prompt_tokens": 5, "total_tokens": 5}}')) == (5, 0)
    assert said(counts_in(b'"usage":{"prompt_tokens": 0, "completion_tokens":1204}')) == (0, 1204)
    for none in (b"{}", b'"usage":{"prompt_tokens":null}', b'"usage":{"prompt_tokens": '):
        assert counts_in(none) is None


def test_an_event_without_an_end_is_given_up() -> None:
    events = a_filter()
    piece = b"x" * (MOST_EVENT_BYTES // 4)
    for _ in range(4):
        assert events.feed(piece) == b"" and not events.bad
    assert events.feed(piece) == b"" and events.bad
