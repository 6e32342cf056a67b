import asyncio
import json
import time
from dataclasses import replace

import httpx
import pytest

from paceline.adapters.quality.suites import evaluate
from paceline.adapters.quality.suites.evaluate import SuiteEvaluator
from paceline.records.load import Target
from paceline.records.quality import Message, Scorer
from paceline.testing.quality import PlainGrader, small_suite
from paceline.trial.scoring import SuiteGrader

TARGET = Target(base_url="http://engine", model="m")


class Engine(httpx.AsyncBaseTransport):
    """Answers after all the workers have asked; remembers how many were in flight at most."""

    def __init__(self, wait_for: int) -> None:
        self.most = 0
        self._flying = 0
        self._wait_for = wait_for
        self._met = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._flying += 1
        self.most = max(self.most, self._flying)
        if self._flying == self._wait_for:
            self._met.set()
        await self._met.wait()
        self._flying -= 1
        said = json.loads(await request.aread())["messages"][-1]["content"]
        return httpx.Response(200, json={"choices": [{"message": {"content": said}}]})


@pytest.mark.parametrize("concurrency", [1, 4, 50])
def test_keeps_exactly_the_given_number_in_flight(concurrency: int) -> None:
    engine = Engine(wait_for=min(concurrency, 20))
    result = SuiteEvaluator(transport=engine).evaluate(
        TARGET, small_suite(20), grader=PlainGrader(), seed=0, concurrency=concurrency
    )
    assert engine.most == min(concurrency, 20)
    assert [score.answer for score in result.items] == sorted(f"q{n}" for n in range(20))


def test_three_hundred_items_cost_no_waiting_of_our_own() -> None:
    started_s = time.process_time()
    SuiteEvaluator(transport=Engine(wait_for=8)).evaluate(
        TARGET, small_suite(300), grader=PlainGrader(), seed=0, concurrency=8
    )
    assert time.process_time() - started_s < 3.0


def test_an_expression_that_never_ends_marks_its_item_and_the_asking_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate, "MARKING_S", 0.2)
    first, *rest = small_suite(3).items
    endless = replace(
        first,
        messages=(Message(role="user", content="x" * 60),),
        scorer=Scorer.REGEX,
        answer="(x+x+)+y",
    )
    suite = replace(small_suite(3), items=(endless, *rest))
    result = SuiteEvaluator(transport=Engine(wait_for=1)).evaluate(
        TARGET, suite, grader=SuiteGrader(), seed=0, concurrency=1
    )
    found = {score.item_id: score for score in result.items}
    assert len(found) == 3
    assert found[endless.item_id].score == 0
    assert "not marked after 0.2 s" in str(found[endless.item_id].error)
    assert [one.error for name, one in found.items() if name != endless.item_id] == [None, None]


def test_refuses_no_concurrency() -> None:
    with pytest.raises(ValueError, match="concurrency 0 < 1"):
        SuiteEvaluator().evaluate(
            TARGET, small_suite(1), grader=PlainGrader(), seed=0, concurrency=0
        )
