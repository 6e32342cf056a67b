"""Tokens by the clock: each request is a task that sleeps to its next token's time."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from paceline.runtimes.fake_server.answers import AnswerBook, WordCodec, filler
from paceline.runtimes.fake_server.behaviour import Behaviour, Fault
from paceline.runtimes.openai_face.generation import Generation
from paceline.runtimes.openai_face.metrics import ServerMetrics

_MS_PER_S: Final = 1000.0
_CRASH_AFTER_REQUESTS: Final = 3
_DEFAULT_TOKENS: Final = 16


class FakeEngine:
    """An `Engine` without a model. Everything happens on the event loop."""

    def __init__(
        self, behaviour: Behaviour, *, codec: WordCodec, book: AnswerBook, metrics: ServerMetrics
    ) -> None:
        self._behaviour = behaviour
        self._codec = codec
        self._book = book
        self._metrics = metrics
        self._places = asyncio.Semaphore(behaviour.capacity)
        self._tasks: dict[Generation, asyncio.Task[None]] = {}
        self._served = 0
        self.alive = True

    def submit(self, generation: Generation) -> None:
        """Answer in a task."""
        task = asyncio.get_running_loop().create_task(self._run(generation))
        self._tasks[generation] = task
        task.add_done_callback(lambda _: self._tasks.pop(generation, None))
        self._metrics.waiting += 1

    def cancel(self, generation: Generation) -> None:
        """Stop the task at its next token."""
        generation.cancelled = True

    def stop(self) -> None:
        """Nothing is kept running but the tasks, which end by themselves."""

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for."""

    async def _run(self, generation: Generation) -> None:
        async with self._places:
            self._metrics.waiting -= 1
            self._metrics.running += 1
            try:
                await self._generate(generation)
            finally:
                self._metrics.running -= 1

    async def _generate(self, generation: Generation) -> None:
        self._served += 1
        if self._behaviour.fault is Fault.CRASH_UNDER_LOAD and self._served > _CRASH_AFTER_REQUESTS:
            os.abort()
        words, finish = self._plan(generation)
        self._metrics.prompt_tokens += len(generation.prompt_ids)
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._behaviour.first_token_ms / _MS_PER_S
        for index, token_id in enumerate(words):
            await asyncio.sleep(due_s - loop.time())
            if generation.cancelled:
                self._metrics.finished["abort"] += 1
                return
            last = index == len(words) - 1
            delta = generation.feed([token_id], [0.0], finish if last else None)
            generation.on_delta(delta)
            self._metrics.generation_tokens += 1
            if delta.finish is not None:
                self._metrics.finished[delta.finish] += 1
                return
            due_s += self._behaviour.token_ms / _MS_PER_S

    def _plan(self, generation: Generation) -> tuple[list[int], str]:
        """Token ids of the whole answer, and why it will end."""
        limit = generation.sampling.max_tokens or _DEFAULT_TOKENS
        answer = self._book.answer(self._codec.text(generation.prompt_ids))
        words = [] if answer is None else self._codec.encode(answer, special=False)
        if answer is not None and not generation.sampling.ignore_eos and len(words) <= limit:
            return words, "stop"
        text = "".join(filler(max(0, limit - len(words))))
        return (words + self._codec.encode(text, special=False))[:limit], "length"
