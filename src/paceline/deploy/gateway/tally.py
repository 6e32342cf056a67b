"""Counts of an endpoint: since the last pulse for the autoscaler, since the start for metrics."""

from collections import defaultdict
from typing import Final

from paceline.records.gateway import Ended

SECONDS: Final[tuple[float, ...]] = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
)  # fmt: skip
OVERHEAD_SECONDS: Final[tuple[float, ...]] = (
    10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25,
)  # fmt: skip
FAILED: Final = Ended.FAILED
"""Every request looks at it, and asking the enum for it takes as long as a call."""
SERVER_ERROR: Final = 500
SAMPLES_PER_PULSE: Final = 1_000
"""More times than these say no more about a quarter of a second."""


class Histogram:
    """Counts below given bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one."""
        at = 0
        for bound in self.bounds:
            if value <= bound:
                break
            at += 1
        self.counts[at] += 1
        self.total += value


class EndpointTally:
    """What happened at one endpoint."""

    __slots__ = (
        "arrivals",
        "arrivals_before",
        "cold_start",
        "ended",
        "ended_before",
        "errors",
        "execution",
        "input_tokens",
        "output_tokens",
        "overhead",
        "queue",
        "retries",
        "statuses",
        "ttft",
        "ttft_s",
        "waits_s",
    )

    def __init__(self) -> None:
        self.arrivals = self.arrivals_before = 0
        self.ended = dict.fromkeys(Ended, 0)
        self.ended_before = dict(self.ended)
        self.waits_s: list[float] = []
        self.ttft_s: list[tuple[int, float]] = []
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self.input_tokens = self.output_tokens = self.retries = self.errors = 0
        self.queue = Histogram(SECONDS)
        self.cold_start = Histogram(SECONDS)
        self.ttft = Histogram(SECONDS)
        self.execution = Histogram(SECONDS)
        self.overhead = Histogram(OVERHEAD_SECONDS)

    def went_at_once(self) -> None:
        """A request did not have to wait."""
        self.queue.counts[0] += 1
        if len(self.waits_s) < SAMPLES_PER_PULSE:
            self.waits_s.append(0.0)

    def waited(self, wait_s: float, cold_s: float) -> None:
        """A request left the queue; for `cold_s` of its wait no replica was ready."""
        self.queue.add(wait_s)
        if cold_s:
            self.cold_start.add(cold_s)
        if len(self.waits_s) < SAMPLES_PER_PULSE:
            self.waits_s.append(wait_s)

    def first_byte(self, version: int, after_s: float) -> None:
        """Output began, so long after the request came."""
        self.ttft.add(after_s)
        if len(self.ttft_s) < SAMPLES_PER_PULSE:
            self.ttft_s.append((version, after_s))

    def end(self, ended: Ended, status: int) -> None:
        """A request ended."""
        self.ended[ended] += 1
        self.statuses[status] += 1
        if ended is FAILED or status >= SERVER_ERROR:
            self.errors += 1
