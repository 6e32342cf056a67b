"""Server-sent events of a completion, as they pass: what they cost, and how the stream ended.

Events are passed on as they came, byte for byte, except that the engine's name of the model
becomes the one asked for, and that a usage event which the client did not ask for is left out.
"""

import re
from collections.abc import Iterator
from typing import Final

import orjson

DONE: Final = b"[DONE]"
END: Final = re.compile(rb"\r?\n\r?\n|\r\r")
NO_TEXT: Final = re.compile(rb'"(?:content|text)": ?""|"delta": ?\{\}|"choices": ?\[\]')
EMPTY: Final = b'""', b"{}", b"[]"
ERROR: Final = b'data: {"error"'
PROMPT: Final = b'"prompt_tokens"'
"""Only usage has it; engines send `"usage":null` with every event."""
PROMPT_TOKENS: Final = b'"prompt_tokens":'
COMPLETION_TOKENS: Final = b'"completion_tokens":'
TEXT: Final = re.compile(
    rb'(data: \{.*"(?:content|text|reasoning|reasoning_content|arguments)": ?")'
    rb'[^"\\\r\n]+(".*\}\n\n)'
)
"""An event of one line with text in it that needs no escape."""
QUOTE: Final = 0x22
BACKSLASH: Final = 0x5C
RETURN: Final = 0x0D
FEED: Final = 0x0A
SPACE: Final = 0x20
ZERO: Final = 0x30
NINE: Final = 0x39
"""Numbers: to look for bytes in bytes by `in` raises and drops an exception each time."""
MOST_IDLE_SHAPES: Final = 4
MOST_EVENT_BYTES: Final = 4 * 2**20
"""An event is held until it is whole; a stream that has no events would fill the memory."""
USAGE_SPAN: Final = 600
"""Bytes behind the word `usage` that the counts are looked for in."""


class Counts:
    """Tokens of one answer, as the engine says. Made once per request."""

    __slots__ = ("input_tokens", "output_tokens")

    def __init__(self, input_tokens: int, output_tokens: int) -> None:
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens


class ModelNames:
    """Changes the engine's name of the model in answers into the one that was asked for."""

    __slots__ = ("_new", "_new_spaced", "_old", "_old_spaced", "_same")

    def __init__(self, engine: str, asked: str) -> None:
        self._same = engine == asked
        self._old, self._new = b'"model":' + orjson.dumps(engine), b'"model":' + orjson.dumps(asked)
        self._old_spaced = b'"model": ' + orjson.dumps(engine)
        self._new_spaced = b'"model": ' + orjson.dumps(asked)

    def answered(self, text: bytes) -> bytes:
        """The text with the name that the client knows."""
        if self._same:
            return text
        swapped = text.replace(self._old, self._new, 1)
        if swapped is not text:
            return swapped
        return text.replace(self._old_spaced, self._new_spaced, 1)


class Shape:
    """An event of a stream but for its text: the others of the stream differ in nothing else.

    Searching an event for what makes it special costs more than all else that is done with it.
    """

    __slots__ = ("_after", "_before", "_new_after", "_new_before", "used")

    def __init__(self, before: bytes, after: bytes, names: ModelNames) -> None:
        self._before = before
        self._after = after
        self._new_before = names.answered(before)
        self._new_after = names.answered(after) if self._new_before is before else after
        self.used = False

    def passed(self, data: bytes) -> bytes | None:
        """What the client gets for an event of this shape with text in it; `None` for others."""
        if not (data.startswith(self._before) and data.endswith(self._after)):
            return None
        text = data[len(self._before) : -len(self._after)]
        if not text or QUOTE in text or BACKSLASH in text or FEED in text or RETURN in text:
            return None
        self.used = True
        return self._new_before + text + self._new_after


def counts_in(text: bytes) -> Counts | None:
    """The `usage` of an answer or event; the last one, so that no content is taken for it.

    Within a JSON string the quotes would be escaped, so this finds a key and no text.
    """
    at = text.rfind(b'"usage"')
    if at < 0:
        return None
    usage = text[at : at + USAGE_SPAN]
    prompt = _number_behind(PROMPT_TOKENS, usage)
    if prompt < 0:
        return None
    return Counts(prompt, max(_number_behind(COMPLETION_TOKENS, usage), 0))


def _number_behind(key: bytes, text: bytes) -> int:
    """The whole number that the key has; negative without one."""
    behind = text.partition(key)[2]
    at, end, number = 0, len(behind), -1
    if end and behind[0] == SPACE:
        at = 1
    while at < end and ZERO <= behind[at] <= NINE:
        number = max(number, 0) * 10 + behind[at] - ZERO
        at += 1
    return number


class EventFilter:
    """Reads one stream. `events` counts those that brought output.

    `counts` are the engine's own once it has said them.
    """

    __slots__ = (
        "_names",
        "_partial",
        "_shape",
        "_shapes_left",
        "_wants_usage",
        "bad",
        "counts",
        "done",
        "events",
    )

    def __init__(self, *, wants_usage: bool, names: "ModelNames") -> None:
        self._wants_usage = wants_usage
        self._names = names
        self._partial = b""
        self._shape: Shape | None = None
        self._shapes_left = MOST_IDLE_SHAPES
        self.events = 0
        self.counts: Counts | None = None
        self.done = False
        self.bad = False
        """An event was no JSON object or has no end, or the engine said that it failed."""

    def feed(self, data: bytes) -> bytes:
        """Bytes of the body in, whole events out, as far as they are there."""
        if self._partial:
            data = self._partial + data
            self._partial = b""
        elif (passed := self._like_the_last(data)) is not None:
            return passed
        if data.endswith(b"}\n\n") and data.find(b"\n\n") == len(data) - 2:
            return self._event(data)  # one whole event, as nearly always
        whole, start = [], 0
        for end in _ends(data):
            event, start = data[start:end], end
            passed = self._like_the_last(event)
            whole.append(self._event(event) if passed is None else passed)
            if self.bad:
                break
        self.bad = self.bad or len(data) - start > MOST_EVENT_BYTES
        self._partial = b"" if self.bad else data[start:]
        return b"".join(whole)

    def _like_the_last(self, event: bytes) -> bytes | None:
        """What the client gets for an event that differs from one before in its text only."""
        shape = self._shape
        passed = None if shape is None else shape.passed(event)
        if passed is not None:
            self.events += 1
        return passed

    def _event(self, event: bytes) -> bytes:
        if not event.startswith(b"data: {"):
            return self._other_event(event)
        if event.find(PROMPT) >= 0 and self._is_only_usage(event) and not self._wants_usage:
            return b""
        if event.startswith(ERROR) or not (event.endswith(b"}\n\n") or event.rstrip()[-1:] == b"}"):
            self.bad = True
            return b""
        # What has an empty text is a role, the reason of the end, or usage.
        if max(map(event.find, EMPTY)) < 0 or not NO_TEXT.search(event):
            self.events += 1
            if self._shapes_left:
                self._learn(event)
        return self._names.answered(event)

    def _learn(self, event: bytes) -> None:
        """Its shape, unless the shapes of this stream turned out to be of no use."""
        used = self._shape is not None and self._shape.used
        self._shapes_left = MOST_IDLE_SHAPES if used else self._shapes_left - 1
        found = TEXT.fullmatch(event)
        self._shape = None if found is None else Shape(found[1], found[2], self._names)

    def _other_event(self, event: bytes) -> bytes:
        text = event.strip()
        if not text.startswith(b"data:"):
            return event  # a comment, or a field that OpenAI streams do not have
        data = text[5:].strip()
        if data == DONE:
            self.done = True
            return event
        if data.startswith(b"{"):
            return self._event(b"data: " + data + b"\n\n")
        self.bad = True
        return b""

    def _is_only_usage(self, event: bytes) -> bool:
        """Note the counts; whether the event has nothing else."""
        counts = counts_in(event)
        if counts is None:
            return False
        self.counts = counts
        try:
            document = orjson.loads(event[6:])
        except orjson.JSONDecodeError:
            return False
        return isinstance(document, dict) and document.get("choices") == []


def _ends(data: bytes) -> Iterator[int]:
    """Where events end, the blank line included.

    The expression is tried at every byte, which takes longer than all else that is done with an
    event; without a carriage return, as nearly always, two line feeds are all that it can find.
    """
    if data.find(b"\r") >= 0:
        yield from (found.end() for found in END.finditer(data))
        return
    at = data.find(b"\n\n")
    while at >= 0:
        yield at + 2
        at = data.find(b"\n\n", at + 2)
