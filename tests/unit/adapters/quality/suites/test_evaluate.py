import asyncio
import json
import time

import httpx
import pytest

from paceline.adapters.quality.suites.evaluate import SuiteEvaluator
from paceline.records.load import Target
from paceline.testing.quality import PlainGrader, small_suite

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


def test_refuses_no_concurrency() -> None:
    with pytest.raises(ValueError, match="concurrency 0 < 1"):
        SuiteEvaluator().evaluate(
            TARGET, small_suite(1), grader=PlainGrader(), seed=0, concurrency=0
        )
