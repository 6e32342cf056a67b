"""What waits to be made, and which of it is made together. No thread, no clock: see `worker`."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paceline.runtimes.image_server.ask import Ask, Shape
from paceline.runtimes.image_server.problems import Problem

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """One picture: `pixels` are `[height, width, 3]` bytes, `latents` what was decoded to them."""

    pixels: Any
    latents: Any | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All pictures of a request, in the order of their seeds."""

    pictures: tuple[Painted, ...]
    inference_s: float


class Order:
    """One request on its way. `answer` is called once, with a result or a problem."""

    def __init__(
        self, ask: Ask, *, submitted_s: float, answer: Callable[[Result | Problem], None]
    ) -> None:
        self.ask = ask
        self.submitted_s = submitted_s
        self.started_s: float | None = None
        self.inference_s = 0.0
        self.closed = False
        """Answered, or its client left: nothing more is made for it."""
        self._answer = answer
        self._pictures: dict[int, Painted] = {}

    def add(self, index: int, picture: Painted) -> bool:
        """Take one picture; true when it was the last and the answer went out."""
        self._pictures[index] = picture
        if self.closed or len(self._pictures) < self.ask.count:
            return False
        pictures = tuple(self._pictures[index] for index in range(self.ask.count))
        self.close(Result(pictures=pictures, inference_s=self.inference_s))
        return True

    def close(self, answer: Result | Problem | None) -> None:
        """Answer, or with `None` forget it; the second time nothing happens."""
        if self.closed:
            return
        self.closed = True
        self._pictures.clear()
        if answer is not None:
            self._answer(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One picture of one order."""

    order: Order
    index: int

    @property
    def seed(self) -> int:
        """Of this picture."""
        return self.order.ask.seed_of(self.index)

    @property
    def shape(self) -> Shape:
        """What decides with which others it can be made."""
        return self.order.ask.shape


def batch_sizes(most: int) -> tuple[int, ...]:
    """How many pictures are made at once, largest first: `most` and the powers of two below.

    Few sizes, since each is compiled and warmed up by itself.
    """
    powers = (2**exponent for exponent in itertools.count())
    below = itertools.takewhile(lambda size: size < most, powers)
    return (most, *sorted(below, reverse=True))


class Line:
    """Jobs in the order they came; `most_waiting` bounds them."""

    def __init__(self, *, most_waiting: int, most_batch: int) -> None:
        self._most_waiting = most_waiting
        self._sizes = batch_sizes(most_batch)
        self._jobs: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def orders(self) -> set[Order]:
        """Those with a picture in it."""
        return {job.order for job in self._jobs}

    def put(self, order: Order) -> None:
        """Queue every picture of an order, or none; raises Problem 503 with the numbers."""
        self._drop_closed()
        waiting, count = len(self._jobs), order.ask.count
        if waiting + count > self._most_waiting:
            raise Problem(
                503,
                f"{waiting} pictures wait and {count} more would be {waiting + count}; at most "
                f"{self._most_waiting} may wait",
                code="queue_full",
                details={"waiting": waiting, "most_waiting": self._most_waiting},
                retry_after_s=RETRY_AFTER_S,
            )
        self._jobs.extend(Job(order=order, index=index) for index in range(count))

    def take(self) -> Sequence[Job]:
        """The oldest job and others of its shape, at most one batch; empty when nothing waits."""
        self._drop_closed()
        if not self._jobs:
            return ()
        shape = self._jobs[0].shape
        alike = [job for job in self._jobs if job.shape == shape]
        size = next(size for size in self._sizes if size <= len(alike))
        batch = alike[:size]
        taken = {id(job) for job in batch}
        self._jobs = deque(job for job in self._jobs if id(job) not in taken)
        return batch

    def empty(self) -> Sequence[Order]:
        """Take everything out; the orders that were still open."""
        orders = list(dict.fromkeys(job.order for job in self._jobs if not job.order.closed))
        self._jobs.clear()
        return orders

    def _drop_closed(self) -> None:
        if any(job.order.closed for job in self._jobs):
            self._jobs = deque(job for job in self._jobs if not job.order.closed)
