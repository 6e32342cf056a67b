"""A load generator without sockets: a queue in front of so many equal places, by arithmetic."""

import heapq
from collections.abc import Iterator
from typing import Final

from paceline.errors import Code, SetupError
from paceline.ports.load import OnProgress, Stop
from paceline.records.load import ClientHealth, LoadProgress, LoadResult, Probe, Target
from paceline.records.load_plan import LoadPlan
from paceline.records.samples import Outcome, RequestSample, table_of
from paceline.trial.describe import describe

SERVICE_S: Final = 0.2
FIRST_S: Final = 0.05
PROBE: Final = Probe(
    streams=True,
    sends_usage=True,
    accepts_usage_option=True,
    tokens_per_request=0,
    tokens_per_word=1,
    ttft_ms=FIRST_S * 1e3,
    e2e_ms=FIRST_S * 1e3 + 10,
)


class SimulatedLoad:
    """`capacity` places that take one request at a time; what it was asked for is in `plans`.

    `lag_ms` is how late the client says it was, `dies_after` the number of runs after which
    nothing answers, `outcome` how every request ends.
    """

    name = "simulated"

    def __init__(self, capacity: int = 10**9) -> None:
        self.capacity = capacity
        self.plans: list[LoadPlan] = []
        self.lag_ms = 0.0
        self.dies_after: int | None = None
        self.outcome = Outcome.OK

    def probe(self, target: Target, plan: LoadPlan) -> Probe:
        return PROBE

    def run(
        self,
        target: Target,
        plan: LoadPlan,
        *,
        probe: Probe | None = None,
        on_progress: OnProgress | None = None,
        stop: Stop | None = None,
    ) -> LoadResult:
        if self.dies_after is not None and len(self.plans) >= self.dies_after:
            raise SetupError(Code.ENDPOINT_UNREACHABLE, "gone", why="refused", fix="start it")
        self.plans.append(plan)
        if on_progress is not None:
            on_progress(_progress())
        stopped = stop is not None and stop()
        samples = list(self._closed(plan) if plan.levels else self._open(plan))
        return LoadResult(
            samples=table_of(samples[: len(samples) // 2] if stopped else samples),
            health=_health(plan, lag_ms=self.lag_ms),
            probe=PROBE,
            warmup_requests=plan.warmup_requests,
            warmup_failed=0,
            stopped=stopped,
            window_start_monotonic_s=0.0,
            started_at_utc="2026-01-01T00:00:00+00:00",
        )

    def _closed(self, plan: LoadPlan) -> Iterator[RequestSample]:
        slots = [0.0] * int(plan.levels[0].in_flight)
        places = [0.0] * min(self.capacity, len(slots))
        for index in range(plan.requests or 0):
            at_s = heapq.heappop(slots)
            sample = self._served(index, at_s, places)
            heapq.heappush(slots, sample.end_s or at_s)
            yield sample

    def _open(self, plan: LoadPlan) -> Iterator[RequestSample]:
        places = [0.0] * min(self.capacity, len(plan.rows))
        for index, row in enumerate(plan.rows):
            yield self._served(index, row.due_s or 0.0, places)

    def _served(self, index: int, at_s: float, places: list[float]) -> RequestSample:
        # Lengths that differ a little: equal ones would keep all slots in step for ever.
        service_s = SERVICE_S * (1 + 0.2 * ((index * 7919 % 101) / 101 - 0.5))
        start_s = max(at_s, heapq.heappop(places))
        heapq.heappush(places, start_s + service_s)
        good = self.outcome is Outcome.OK
        return RequestSample(
            index=index,
            scheduled_s=at_s,
            sent_s=at_s,
            chunk_s=(start_s + FIRST_S, start_s + service_s) if good else (),
            end_s=start_s + service_s,
            input_tokens=8,
            output_tokens=16 if good else None,
            outcome=self.outcome,
            detail=None if good else "Connection refused",
        )


def _progress() -> LoadProgress:
    return LoadProgress(
        elapsed_s=1.0,
        in_flight=0,
        started=1,
        ok=1,
        failed=0,
        output_chunks=2,
        recent_ttft_ms=(1.0,),
        recent_tpot_ms=(),
        recent_e2e_ms=(),
        failures={},
    )


def _health(plan: LoadPlan, *, lag_ms: float) -> ClientHealth:
    return ClientHealth(
        processes=1,
        cores=1,
        cpu_s=0.1,
        window_cpu_s=0.1,
        window_s=10.0,
        loop_lag_ms=describe([lag_ms] * 3),
        send_skew_ms=describe([0.0] * 3),
        offered_rps=plan.offered_rps,
        achieved_rps=plan.offered_rps or 1.0,
        held=0,
        connections_opened=1,
        retried=0,
        kernel_stamps=True,
    )
