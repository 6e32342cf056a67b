"""A load test from its request to its report: one load, or a search for the highest one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from paceline.app.bench_endpoint import EndpointWatch, stopped_answering
from paceline.app.bench_request import BenchRequest
from paceline.app.bench_telemetry import Recorder, recording
from paceline.app.wiring import Workshop
from paceline.errors import SetupError
from paceline.records.client import ClientState, ClientVerdict
from paceline.records.load import LoadProgress, LoadResult, LoadSummary, Probe
from paceline.records.load_plan import LoadPlan, LoadShape, Stage
from paceline.records.ranking import ConstraintVerdict
from paceline.records.telemetry import Agreement, TelemetryGap, TelemetryWindow
from paceline.trial.arrivals import plan_load
from paceline.trial.attainment import judge_all, misses_anyway, point_verdict
from paceline.trial.find_max import (
    MaxLoad,
    MaxLoadVerdict,
    NextProbe,
    Probed,
    ProbeVerdict,
    Search,
    next_probe,
)
from paceline.trial.innocence import judge_client
from paceline.trial.probe_shape import (
    ProbeLength,
    first_concurrency,
    first_rate,
    idle_rate,
    probe_length,
    probe_shape,
)
from paceline.trial.server_side import compare, foreign_requests
from paceline.trial.slo import goodput
from paceline.trial.timeline import summarise
from paceline.trial.workload import latency_limits_ms

PROMETHEUS: Final = "prometheus"


class Ended(StrEnum):
    """How a load test ended."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    """The user stopped it; what was measured until then is reported."""
    ENDPOINT_LOST = "endpoint_lost"
    """The endpoint stopped answering; what was measured until then is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What was measured of the requests that arrived in one stage; nothing is trimmed."""

    stage: Stage
    summary: LoadSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPoint:
    """One measured load. `level` is requests in flight or requests/s, `None` for others."""

    number: int
    level: float | None
    length: int
    because: str
    open_loop: bool
    result: LoadResult
    summary: LoadSummary
    client: ClientVerdict
    verdicts: tuple[ConstraintVerdict, ...]
    verdict: ProbeVerdict
    goodput_rps: float | None
    telemetry: tuple[TelemetryWindow | TelemetryGap, ...]
    agreement: tuple[Agreement, ...]
    notes: tuple[str, ...]
    stages: tuple[StageResult, ...] = ()
    """One by one, where the load has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """A load test with everything that was measured.

    `shown` is the point whose figures stand for the test: of a search the highest that passed,
    else the lowest that was tried. It is `None` when nothing was measured.
    """

    request: BenchRequest
    probe: Probe
    points: tuple[BenchPoint, ...]
    shown: BenchPoint | None
    max_load: MaxLoad | None
    ended: Ended
    detail: str


class BenchWatch(Protocol):
    """Sees a load test as it goes; for people."""

    def began(self, request: BenchRequest, probe: Probe) -> None:
        """The endpoint answered; loads follow."""
        ...

    def point_began(self, number: int, plan: LoadPlan, next_: NextProbe | None) -> None:
        """A load starts; `next_` tells why in a search."""
        ...

    def progress(self, progress: LoadProgress) -> None:
        """A few times per second."""
        ...

    def point_ended(self, point: BenchPoint) -> None:
        """A load was measured and judged."""
        ...


def run_bench(
    request: BenchRequest, shop: Workshop, watch: BenchWatch, stop: Callable[[], bool]
) -> BenchReport:
    """Probe the endpoint, then load it.

    Raises SpecError and SetupError before anything was measured; later troubles end the test
    early and are told in the report.
    """
    plan = plan_load(first_shape(request))
    probe = shop.load.probe(request.target, plan)
    watch.began(request, probe)
    with recording(shop.telemetry, request.target) as recorder:
        bench = _Bench(request, shop, watch, stop, probe=probe, recorder=recorder)
        if request.search is None:
            return bench.measure_once(plan)
        return bench.search()


def first_shape(request: BenchRequest) -> LoadShape:
    """The load asked for; of a search, one as short as any, to check and to probe with."""
    shape = request.shape
    if request.search is None or shape.requests is not None or shape.duration_s is not None:
        return shape
    return replace(shape, requests=1)


class _Bench:
    """The state of one test: its points so far and how it ended."""

    def __init__(
        self,
        request: BenchRequest,
        shop: Workshop,
        watch: BenchWatch,
        stop: Callable[[], bool],
        *,
        probe: Probe,
        recorder: Recorder,
    ) -> None:
        self._request = request
        self._shop = shop
        self._watch = watch
        self._stop = stop
        self._probe = probe
        self._recorder = recorder
        self._points: list[BenchPoint] = []
        self._ended = Ended.FINISHED
        self._detail = ""

    def measure_once(self, plan: LoadPlan) -> BenchReport:
        """One load."""
        shape = self._request.shape
        level = shape.rate_rps if plan.open_loop else shape.concurrency
        self._measure(plan, NextProbe(level=level or 0.0, length=1, because="the load asked for"))
        return self._report(None)

    def search(self) -> BenchReport:
        """Probe after probe until there is an answer, or the test ends early."""
        search, shortest = self._search()
        probed: list[Probed] = []
        while isinstance(step := next_probe(search, probed), NextProbe):
            shape = probe_shape(
                self._request.shape,
                level=step.level,
                length=step.length,
                number=len(probed),
                shortest=shortest,
            )
            point = self._measure(plan_load(shape), step)
            if point is not None:
                probed.append(Probed(level=step.level, length=step.length, verdict=point.verdict))
            if self._ended is not Ended.FINISHED:
                return self._report(self._cut_short(probed))
        return self._report(step)

    def _search(self) -> tuple[Search, ProbeLength]:
        bounds = self._request.search
        if bounds is None:
            raise AssertionError("only called for a search")
        shape, probe = self._request.shape, self._probe
        tokens = max(shape.output_tokens.mean - 1, 0)
        shortest = probe_length(
            self._request.constraints,
            first_output_ms=probe.ttft_ms,
            # The probe asks for two tokens: the gap between them is one token's time.
            per_request_ms=probe.ttft_ms + tokens * (probe.e2e_ms - probe.ttft_ms),
        )
        whole = shape.concurrency is not None
        lowest = bounds.lowest or (1.0 if whole else idle_rate(shortest))
        highest = bounds.highest
        start = bounds.start or (first_concurrency(shortest) if whole else first_rate(shortest))
        return (
            Search(
                lowest=lowest if highest is None else min(lowest, highest),
                highest=highest,
                start=max(lowest, min(start, highest or start)),
                whole=whole,
                lowest_is_idle=bounds.lowest is None or (whole and bounds.lowest == 1),
                most_probes=bounds.most_probes,
            ),
            shortest,
        )

    def _measure(self, plan: LoadPlan, step: NextProbe) -> BenchPoint | None:
        """Run one load and judge it; `None` when the endpoint could not even be reached."""
        searching = self._request.search is not None
        self._watch.point_began(len(self._points) + 1, plan, step if searching else None)
        endpoint = EndpointWatch(self._watch.progress)
        try:
            result = self._shop.load.run(
                self._request.target,
                plan,
                probe=self._probe,
                on_progress=endpoint.progress,
                stop=lambda: self._stop() or endpoint.lost,
            )
        except SetupError as error:
            if not self._points:
                raise
            self._ended, self._detail = Ended.ENDPOINT_LOST, str(error)
            return None
        point = self._judged(plan, step, result)
        self._points.append(point)
        self._watch.point_ended(point)
        lost = stopped_answering(result.samples)
        if lost is not None:
            self._ended, self._detail = Ended.ENDPOINT_LOST, lost
        elif self._stop():
            self._ended, self._detail = Ended.INTERRUPTED, "stopped by the user"
        return point

    def _judged(self, plan: LoadPlan, step: NextProbe, result: LoadResult) -> BenchPoint:
        constraints = self._request.constraints
        summary = summarise(result.samples, open_loop=plan.open_loop)
        client = judge_client(result, limits_ms=latency_limits_ms(constraints))
        client_bound = client.verdict is ClientState.CLIENT_BOUND and not misses_anyway(
            result.samples,
            summary,
            constraints,
            open_loop=plan.open_loop,
            client_added_ms=client.added_ms,
        )
        verdicts = judge_all(
            result.samples,
            summary,
            constraints,
            open_loop=plan.open_loop,
            timeout_s=plan.settings.timeout_s,
        )
        self._recorder.read_all()
        start_s = result.window_start_monotonic_s
        windows = self._recorder.windows(start_s=start_s, end_s=start_s + result.health.window_s)
        server = next(
            (w for w in windows if isinstance(w, TelemetryWindow) and w.source == PROMETHEUS), None
        )
        good = goodput(result.samples, summary, constraints, open_loop=plan.open_loop)
        return BenchPoint(
            number=len(self._points) + 1,
            level=step.level or None,
            length=step.length,
            because=step.because,
            open_loop=plan.open_loop,
            result=result,
            summary=summary,
            client=client,
            verdicts=verdicts,
            verdict=point_verdict(verdicts, client_bound=client_bound),
            goodput_rps=None if good is None else good.value,
            telemetry=windows,
            agreement=compare(summary, server) if server else (),
            notes=_notes(result, summary, server),
            stages=_by_stage(self._request.shape.stages, result, open_loop=plan.open_loop),
        )

    def _cut_short(self, probed: list[Probed]) -> MaxLoad:
        """What a search that could not go on knows."""
        passed = [p.level for p in probed if p.verdict is ProbeVerdict.PASS]
        failed = [p.level for p in probed if p.verdict is ProbeVerdict.FAIL]
        return MaxLoad(
            verdict=MaxLoadVerdict.LOWER_BOUND if passed else MaxLoadVerdict.UNRESOLVED,
            level=max(passed, default=None),
            fails_at=min(failed, default=None),
            because=f"the search ended early: {self._detail.splitlines()[0]}",
        )

    def _report(self, max_load: MaxLoad | None) -> BenchReport:
        return BenchReport(
            request=self._request,
            probe=self._probe,
            points=tuple(self._points),
            shown=_shown(self._points, max_load),
            max_load=max_load,
            ended=self._ended,
            detail=self._detail,
        )


def _shown(points: list[BenchPoint], max_load: MaxLoad | None) -> BenchPoint | None:
    """The point that stands for the test: what the answer rests on."""
    if not points:
        return None
    if max_load is None:
        return points[-1]
    passed = [p for p in points if p.level == max_load.level and p.verdict is ProbeVerdict.PASS]
    if passed:
        return passed[-1]
    return min(reversed(points), key=lambda point: point.level or 0.0)


def _by_stage(
    stages: tuple[Stage, ...], result: LoadResult, *, open_loop: bool
) -> tuple[StageResult, ...]:
    if len(stages) < 2:  # noqa: PLR2004 - one stage is the whole load
        return ()
    samples = result.samples
    return tuple(
        StageResult(
            stage=stage,
            summary=summarise(
                samples.select(samples.stage == number), open_loop=open_loop, trim=False
            ),
        )
        for number, stage in enumerate(stages)
    )


def _notes(
    result: LoadResult, summary: LoadSummary, server: TelemetryWindow | None
) -> tuple[str, ...]:
    """What a reader of the figures should know."""
    notes = list(result.probe.notes)
    if result.warmup_failed:
        notes.append(f"{result.warmup_failed} of {result.warmup_requests} warm-up requests failed")
    if not summary.steady and summary.drift is not None:
        direction = "slower" if summary.drift > 0 else "faster"
        notes.append(f"not steady: requests got {abs(summary.drift):.0%} {direction} meanwhile")
    others = foreign_requests(server, ours=len(result.samples)) if server else None
    return (*notes, *([others] if others else []))
