"""Request bodies of every route, made ahead or at once."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from paceline.adapters.load.openai_http.bodies import Bodies
from paceline.adapters.load.openai_http.pace import ClosedPace, Share
from paceline.adapters.load.openai_http.texts import WordTexts, english_words
from paceline.records.load import Probe, Route, Target
from paceline.records.load_plan import LoadPlan, Message, Prompt
from paceline.testing.load import closed
from paceline.testing.simulated_load import PROBE

LEARNED = replace(PROBE, tokens_per_request=7.0)
TEXTS = WordTexts(english_words(), seed=1, tokens_per_word=1.0)


def bodies(plan: LoadPlan, route: Route = Route.CHAT, probe: Probe = LEARNED) -> Bodies:
    target = Target(base_url="http://x", model="m", route=route)
    return Bodies(target, plan, probe, TEXTS, Share())


def sent(plan: LoadPlan, route: Route = Route.CHAT, *, ahead: int = 0) -> list[dict[str, Any]]:
    made = bodies(plan, route)
    for _ in range(ahead):
        made.make_one_ahead()
    pace = ClosedPace(plan, Share())
    found = []
    while (turn := pace.take(0.0)) is not None:
        found.append(orjson.loads(made.body(turn)))
        made.answered(turn, "an answer")
        pace.ended(turn, 0.0, ok=True)
    return found


def test_a_chat_request_streams_and_asks_for_usage() -> None:
    (body,) = sent(closed(1, input_tokens=20, output_tokens=9))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_tokens"] == 9
    assert len(body["messages"]) == 1
    assert len(body["messages"][0]["content"].split()) == 20 - 7


@pytest.mark.parametrize(
    ("route", "field"),
    [
        (Route.COMPLETIONS, "prompt"),
        (Route.EMBEDDINGS, "input"),
        (Route.IMAGES, "prompt"),
    ],
)
def test_other_routes_have_their_own_field(route: Route, field: str) -> None:
    (body,) = sent(closed(1), route)
    assert isinstance(body[field], str)
    assert ("stream" in body) == route.streams


def test_bodies_made_ahead_are_those_made_at_once() -> None:
    plan = closed(6)
    assert sent(plan) == sent(plan, ahead=4)
    assert len({orjson.dumps(body) for body in sent(plan)}) == 6


def test_only_so_many_are_made_ahead() -> None:
    made = bodies(closed(1, input_tokens=5000))
    count = 0
    while made.make_one_ahead():
        count += 1
    assert 100 < count <= 512


def test_a_shared_prefix_is_shared_within_its_group() -> None:
    plan = closed(4, input_tokens=40)
    rows = tuple(replace(row, prefix_group=place % 2) for place, row in enumerate(plan.rows))
    plan = replace(plan, rows=rows, prefix_tokens=10)
    texts = [body["messages"][0]["content"].split() for body in sent(plan)]
    assert texts[0][:10] == texts[2][:10] != texts[1][:10]
    assert texts[0][10:20] != texts[2][10:20]
    assert [len(text) for text in texts] == [33] * 4


def test_a_conversation_is_sent_with_its_history() -> None:
    plan = closed(3)
    rows = tuple(replace(row, session=0, turn=turn) for turn, row in enumerate(plan.rows))
    for ahead in (0, 1):
        chats = [body["messages"] for body in sent(replace(plan, rows=rows), ahead=ahead)]
        assert [len(chat) for chat in chats] == [1, 3, 5]
        assert chats[2][:2] == chats[1][:2]
        assert chats[2][1] == {"role": "assistant", "content": "an answer"}


def test_prompts_of_the_user_go_out_as_they_are() -> None:
    messages = (Message(role="system", content="s"), Message(role="user", content="u"))
    plan = closed(1)
    row = replace(plan.rows[0], prompt=0)
    plan = replace(plan, prompts=(Prompt(messages=messages),), rows=(row,))
    (body,) = sent(plan)
    assert body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
    ]


def test_settings_go_into_every_body() -> None:
    plan = closed(1)
    settings = replace(
        plan.settings, exact_output=True, extra_body=(("temperature", 0.5), ("top_k", 3))
    )
    (body,) = sent(replace(plan, settings=settings))
    assert (body["temperature"], body["top_k"]) == (0.5, 3)
    assert (body["ignore_eos"], body["min_tokens"]) == (True, 5)


def test_usage_is_not_asked_of_a_server_that_refuses() -> None:
    made = bodies(closed(1), probe=replace(LEARNED, accepts_usage_option=False))
    turn = ClosedPace(closed(1), Share()).take(0.0)
    assert turn is not None
    assert "stream_options" not in orjson.loads(made.body(turn))


def test_pictures_have_a_seed_each_when_the_plan_says_so() -> None:
    plan = replace(
        closed(3),
        seed=7,
        settings=replace(closed(3).settings, own_seeds=True, extra_body=(("size", "64x64"),)),
    )
    found = sent(plan, Route.IMAGES)
    assert [body["seed"] for body in found] == [7, 8, 9]
    assert found == sent(plan, Route.IMAGES, ahead=3)
    assert {body["size"] for body in found} == {"64x64"}
    assert "seed" not in sent(closed(1), Route.IMAGES)[0]
