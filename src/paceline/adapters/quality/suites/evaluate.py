"""Asking a suite: a fixed number of items in flight over one shared client, no sleeps."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx

from paceline.adapters.quality.suites.answers import AnswerBook, asked_key, open_book
from paceline.adapters.quality.suites.conversation import converse
from paceline.deadline import TooSlow, deadline
from paceline.ports.quality import Grader, OnProgress, StopRule
from paceline.records.load import Target
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityProgress,
    QualityResult,
    Reply,
    Scorer,
    Stopped,
    Suite,
)

ANSWER_TIMEOUT_S: Final = 180.0
"""For one turn; a quarter of a thousand tokens on a slow laptop take about two minutes."""

MARKING_S: Final = 5.0
"""For one answer by rules: microseconds, unless an expression or a schema is at fault."""


class SuiteEvaluator:
    """Evaluator that asks the items of a suite.

    `answers_path` keeps the replies, so that asking again takes up where it stopped. `transport`
    replaces the network in tests. Each `evaluate` runs an event loop of its own, so it is called
    from synchronous code.
    """

    name: Final = "suites"

    def __init__(
        self,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        answers_path: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._answers_path = answers_path
        self._transport = transport

    def evaluate(
        self,
        target: Target,
        suite: Suite,
        *,
        grader: Grader,
        seed: int,
        concurrency: int,
        stop: StopRule | None = None,
        on_progress: OnProgress | None = None,
    ) -> QualityResult:
        """See `Evaluator.evaluate`. Raises ValueError for a concurrency below 1, and SpecError
        when the kept answers are to something else."""
        if concurrency < 1:
            raise ValueError(f"concurrency {concurrency} < 1")
        sheet = _Sheet(suite.asking_order(seed), stop=stop, on_progress=on_progress)
        with open_book(self._answers_path, asked_key(target, suite, seed=seed)) as book:
            asyncio.run(
                self._ask_all(target, sheet, grader, book, seed=seed, concurrency=concurrency)
            )
        return grader.summarize(suite, sheet.scores(), stopped=sheet.stopped)

    async def _ask_all(
        self,
        target: Target,
        sheet: "_Sheet",
        grader: Grader,
        book: AnswerBook,
        *,
        seed: int,
        concurrency: int,
    ) -> None:
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        async with httpx.AsyncClient(
            timeout=self._answer_timeout_s, limits=limits, transport=self._transport
        ) as client:

            async def ask(item: Item) -> ItemScore:
                reply = book.find(item)
                if reply is None:
                    reply = await converse(client, target, item, seed=seed)
                    book.keep(item, reply)
                return await _grade(grader, item, reply)

            await _work_off(sheet, ask, workers=min(concurrency, len(sheet.items)))


async def _grade(grader: Grader, item: Item, reply: Reply) -> ItemScore:
    if item.scorer is Scorer.PYTHON:  # waits for a process: must not hold up the other answers
        return await asyncio.to_thread(grader.grade, item, reply)
    try:
        with deadline(MARKING_S):
            return grader.grade(item, reply)
    except TooSlow as error:
        return grader.grade(item, replace(reply, error=str(error)))


async def _work_off(
    sheet: "_Sheet", ask: Callable[[Item], Awaitable[ItemScore]], *, workers: int
) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        while (index := sheet.next_index()) is not None:
            sheet.put(index, await ask(sheet.items[index]))
        if sheet.stopped:  # what is still in flight would be dropped anyway
            for task in tasks:
                if task is not asyncio.current_task():
                    task.cancel()

    async with asyncio.TaskGroup() as group:
        tasks += [group.create_task(work()) for _ in range(workers)]


class _Sheet:
    """The scores as they come in. The stop rule sees only the finished prefix of the order."""

    def __init__(
        self, items: Sequence[Item], *, stop: StopRule | None, on_progress: OnProgress | None
    ) -> None:
        self.items = items
        self.stopped: Stopped | None = None
        self._stop = stop
        self._on_progress = on_progress
        self._next = 0
        self._scores: list[ItemScore | None] = [None] * len(items)
        self._prefix: list[ItemScore] = []

    def next_index(self) -> int | None:
        """The next item to ask; `None` when there is none or no need."""
        if self.stopped or self._next == len(self.items):
            return None
        self._next += 1
        return self._next - 1

    def put(self, index: int, score: ItemScore) -> None:
        """Store one score and let the stop rule look at each prefix that it completes."""
        self._scores[index] = score
        self._report()
        while not self.stopped and len(self._prefix) < len(self.items):
            following = self._scores[len(self._prefix)]
            if following is None:
                return
            self._prefix.append(following)
            self.stopped = self._stop(self._prefix) if self._stop else None

    def scores(self) -> tuple[ItemScore, ...]:
        """The finished prefix, up to where the rule stopped."""
        return tuple(self._prefix)

    def _report(self) -> None:
        if self._on_progress is None:
            return
        found = [score for score in self._scores if score is not None]
        self._on_progress(
            QualityProgress(
                answered=len(found),
                total=len(self.items),
                score=sum(score.score for score in found) / len(found),
                errors=sum(score.error is not None for score in found),
            )
        )
