"""The one thread that owns the pipeline: it loads it, warms it up, and paints batch after batch.

Everything else only queues orders and reads numbers. A request that fails, for whatever reason,
fails alone; only a broken accelerator ends the server.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from paceline.runtimes.image_server.ask import Shape
from paceline.runtimes.image_server.metrics import ImageMetrics
from paceline.runtimes.image_server.orders import RETRY_AFTER_S, Job, Line, Order, Painted
from paceline.runtimes.image_server.problems import Problem
from paceline.runtimes.image_server.starting import Starting, Unservable

log = logging.getLogger("image_server")

_HALF: Final = 2
_LOOK_AGAIN_S: Final = 1.0
"""An idle worker looks again without being told: for the end, and for orders whose client left."""


class Left(Exception):
    """Nobody waits for what is being painted any more."""


class OutOfMemory(Exception):
    """The pipeline found no memory; the text has the numbers, and nothing is broken."""


class Broken(Exception):
    """The accelerator is of no use to this process any more."""


_EXPLAINED: Final = (Unservable, OutOfMemory, MemoryError, OSError, ValueError, ImportError)
"""What a load raises for the folder, the settings or the environment; the text says enough."""


class Painter(Protocol):
    """A loaded pipeline."""

    def paint(self, jobs: Sequence[Job], on_step: Callable[[int], bool]) -> Sequence[Painted]:
        """One picture per job, all of one shape.

        `on_step` gets the number of steps done and says whether to go on; Left is raised if not.
        Raises OutOfMemory, Broken, or what the pipeline raises.
        """
        ...


class Worker(threading.Thread):
    """Loads with `load`, then serves the line until the process ends."""

    def __init__(
        self,
        load: Callable[[Starting], Painter],
        *,
        line: Line,
        metrics: ImageMetrics,
        starting: Starting,
        on_dead: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="painter", daemon=True)
        self._load = load
        self._line = line
        self._metrics = metrics
        self._starting = starting
        self._on_dead = on_dead
        self._clock = clock
        # Guards the line; whoever adds to it or closes an order of it tells the thread.
        self._changed = threading.Condition()
        self._batch: Sequence[Job] = ()
        self.broken = False

    def submit(self, order: Order) -> None:
        """Queue an order; raises Problem 503 when the line is full or the worker has ended."""
        if self.broken:
            raise Problem(503, "the accelerator failed; this server ends", code="shutting_down")
        with self._changed:
            try:
                self._line.put(order)
            except Problem:
                self._metrics.refused += 1
                raise
            self._count()
            self._changed.notify()

    def leave(self, order: Order) -> None:
        """The client went away: what waits is dropped, what is being painted stops at a step."""
        if not order.closed:
            order.close(None)
            self._metrics.finished["abort"] += 1

    def run(self) -> None:
        """Load, then paint for as long as the accelerator lives."""
        try:
            painter = self._load(self._starting)
        except Exception as error:  # noqa: BLE001 - a thread that ended unheard leaves it starting
            if not isinstance(error, _EXPLAINED):
                log.critical("%s", _trace(error))
            self._starting.fail(error)
            self._on_dead()
            return
        self._starting.ready()
        while not self.broken:
            batch = self._next_batch()
            if batch:
                self._paint(painter, batch)

    def _next_batch(self) -> Sequence[Job]:
        with self._changed:
            self._batch = self._line.take()
            if not self._batch:
                self._count()
                self._changed.wait(_LOOK_AGAIN_S)
                self._batch = self._line.take()
            self._count()
            return self._batch

    def _count(self) -> None:
        metrics, running = self._metrics, {job.order for job in self._batch}
        metrics.waiting, metrics.running = len(self._line), len(self._batch)
        metrics.requests_waiting = len(self._line.orders() - running)
        metrics.requests_running = len(running)

    def _paint(self, painter: Painter, batch: Sequence[Job]) -> None:
        started_s = self._clock()
        for order in _orders(batch):
            if order.started_s is None:
                order.started_s = started_s
                self._metrics.queue_s.observe(started_s - order.submitted_s)
        try:
            painted = painter.paint(batch, self._follow(batch))
        except Left:
            return
        except OutOfMemory as error:
            self._with_less(painter, batch, error)
            return
        except Broken as error:
            self._break(batch, error)
            return
        except Exception as error:  # whatever a pipeline raises is of these pictures only
            log.exception("a batch of %d failed", len(batch))
            self._one_by_one(painter, batch, error)
            return
        finally:
            self._metrics.progress = 0.0
            self._metrics.batches += 1
        self._hand_out(batch, painted, started_s)

    def _follow(self, batch: Sequence[Job]) -> Callable[[int], bool]:
        steps = batch[0].shape.steps

        def on_step(done: int) -> bool:
            self._metrics.steps += 1
            self._metrics.progress = min(1.0, done / steps)
            return any(not job.order.closed for job in batch)

        return on_step

    def _hand_out(self, batch: Sequence[Job], painted: Sequence[Painted], started_s: float) -> None:
        now_s = self._clock()
        for order in _orders(batch):
            order.inference_s += now_s - started_s
        for job, picture in zip(batch, painted, strict=True):
            self._metrics.images += 1
            if job.order.add(job.index, picture):
                self._metrics.finished["done"] += 1
                self._metrics.inference_s.observe(job.order.inference_s)

    def _with_less(self, painter: Painter, batch: Sequence[Job], error: OutOfMemory) -> None:
        """Several at once did not fit: the two halves by themselves may."""
        if len(batch) > 1:
            log.warning("%d pictures at once: %s; trying half", len(batch), error)
            middle = len(batch) // _HALF
            for half in (batch[:middle], batch[middle:]):
                self._paint(painter, half)
            return
        shape = batch[0].shape
        log.error("%d x %d px: %s", shape.width_px, shape.height_px, error)
        problem = Problem(
            503,
            f"no memory for a picture of {_size(shape)}: {error}; ask for a smaller size",
            code="out_of_memory",
            param="size",
            retry_after_s=RETRY_AFTER_S,
        )
        self._fail(batch, problem, "out_of_memory")

    def _one_by_one(self, painter: Painter, batch: Sequence[Job], error: Exception) -> None:
        """Whose picture it was shows when each is tried by itself."""
        if len(batch) == 1:
            self._fail(batch, Problem(500, _words(error), code="painting_failed"), "error")
            return
        for job in batch:
            if not job.order.closed:
                self._paint(painter, [job])

    def _break(self, batch: Sequence[Job], error: Broken) -> None:
        log.critical("the accelerator failed: %s", error)
        self.broken = True
        problem = Problem(503, f"the accelerator failed: {error}", code="accelerator_failed")
        self._fail(batch, problem, "error")
        with self._changed:
            for order in self._line.empty():
                order.close(problem)
        self._on_dead()

    def _fail(self, batch: Sequence[Job], problem: Problem, reason: str) -> None:
        for order in _orders(batch):
            if not order.closed:
                order.close(problem)
                self._metrics.finished[reason] += 1


def _orders(batch: Sequence[Job]) -> Sequence[Order]:
    return list(dict.fromkeys(job.order for job in batch))


def _size(shape: Shape) -> str:
    return f"{shape.width_px}x{shape.height_px}"


def _trace(error: Exception) -> str:
    """Where it was raised. What it was raised from is left out: the log's words tell the cause."""
    return "".join(traceback.format_exception(error, chain=False))


def _words(error: Exception) -> str:
    return f"the pipeline failed: {type(error).__name__}: {str(error)[:500]}"
