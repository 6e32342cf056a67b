"""One trial: prepare, start, wait, warm up, ask the suite, load, stop.

Drives the table in `trial.machine` through ports. Whatever happens to the engine becomes a cause
in the record; what happens to Paceline itself (an interrupt, a full disk) is not caught here, and
the executor's context still ends the processes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from paceline.clock import Clock
from paceline.errors import CandidateError, SetupError
from paceline.ports.archive import Archive
from paceline.ports.engine import Engine, Say
from paceline.ports.executor import Executor, Server
from paceline.ports.host import Host
from paceline.ports.load import LoadGenerator
from paceline.ports.quality import Evaluator, Grader, StopRule
from paceline.records.hardware import Accelerator
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import LoadResult, LoadSummary, Probe, Target
from paceline.records.load_plan import LoadPlan
from paceline.records.model import Model
from paceline.records.quality import QualityResult, StopCause, Suite
from paceline.records.request import Constraint
from paceline.records.samples import pack
from paceline.records.trial import BlobRef, ColdStart, Provenance, TrialRecord, TrialState
from paceline.records.variant import Variant
from paceline.trial.innocence import judge_client
from paceline.trial.machine import TrialEvent, after
from paceline.trial.metrics import Footprint, trial_metrics
from paceline.trial.slo import goodput
from paceline.trial.timeline import summarise
from paceline.trial.workload import latency_limits_ms


class Journal(Protocol):
    """Stores every transition before it is acted on."""

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What one trial is to do. `suite` is `None` when quality is not to be measured."""

    trial_id: str
    variant: Variant
    repeat: int
    model: Model
    accelerator: Accelerator
    plan: LoadPlan
    suite: Suite | None
    garbage_rule: StopRule | None
    quality_concurrency: int
    constraints: tuple[Constraint, ...]
    """Goodput counts requests within them; the client must be innocent of moving their verdicts."""
    price_usd_per_hour: float | None
    seed: int
    cache: Path
    log_path: Path


class Rig:
    """The live things that a trial is done with."""

    def __init__(
        self,
        *,
        engine: Engine,
        environment: Environment,
        executor: Executor,
        load: LoadGenerator,
        evaluator: Evaluator,
        grader: Grader,
        host: Host,
        archive: Archive,
        clock: Clock,
    ) -> None:
        self.engine = engine
        self.environment = environment
        self.executor = executor
        self.load = load
        self.evaluator = evaluator
        self.grader = grader
        self.host = host
        self.archive = archive
        self.clock = clock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a trial has learned so far; grows as it goes on."""

    cause: Cause = Cause.CRASHED
    detail: str = ""
    artefact: Artefact | None = None
    argv: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    engine_s: float | None = None
    warmup_s: float | None = None
    quality: QualityResult | None = None
    load: LoadResult | None = None
    summary: LoadSummary | None = None
    goodput_rps: float | None = None
    foreign_cpu_share: float | None = None
    peak_memory_gib: float | None = None
    log_tail: str = ""


class TrialRun:
    """One trial under way."""

    def __init__(
        self,
        order: TrialOrder,
        rig: Rig,
        journal: Journal,
        *,
        say: Say,
        cancelled: Callable[[], bool],
    ) -> None:
        self._order = order
        self._rig = rig
        self._journal = journal
        self._say = say
        self._cancelled = cancelled
        self._state = TrialState.QUEUED
        self._seen = _Seen()

    def run(self) -> TrialRecord:
        """The record of what happened. Raises CapacityError when no port or device is free."""
        started_s = self._rig.clock.monotonic_s()
        started_at = self._rig.clock.utc_now().isoformat(timespec="seconds")
        self._move(TrialEvent.GRANTED)
        artefact = self._prepare()
        if artefact is not None:
            with self._rig.executor.start(
                lambda port: self._rig.engine.launch(
                    self._order.variant,
                    artefact,
                    model=self._order.model,
                    environment=self._rig.environment,
                    accelerator=self._order.accelerator,
                    port=port,
                ),
                log_path=self._order.log_path,
            ) as server:
                self._note(argv=server.spec.argv, env=tuple(sorted(server.spec.env.items())))
                self._serve(server)
            self._move(TrialEvent.RELEASED)
        return self._record(started_at, self._rig.clock.monotonic_s() - started_s)

    def _prepare(self) -> Artefact | None:
        self._say("preparing")
        try:
            artefact = self._rig.engine.prepare(
                self._order.model,
                self._order.variant.format,
                environment=self._rig.environment,
                cache=self._order.cache,
                say=self._say,
            )
        except CandidateError as error:
            self._note(cause=Cause.PREPARE_FAILED, detail=f"{error.what}: {error.why}")
            self._move(TrialEvent.BROKE, Cause.PREPARE_FAILED)
            return None
        self._note(artefact=artefact)
        self._move(TrialEvent.PREPARED)
        return artefact

    def _serve(self, server: Server) -> None:
        self._say("starting")
        end = server.wait_ready()
        if end is not None:
            self._broke(end)
            return
        self._note(engine_s=server.ready_after_s())
        self._move(TrialEvent.READY)
        try:
            self._measure(server)
        except SetupError as error:  # the endpoint refused the load: dead, or not as promised
            end = server.poll()
            if end is not None:
                self._broke(end)
            else:
                self._note(cause=Cause.LOAD_FAILED, detail=f"{error.what}: {error.why}")
                self._move(TrialEvent.BROKE, Cause.LOAD_FAILED)
            return
        end = server.poll()
        if end is not None:
            self._broke(end)
        elif self._cancelled():
            self._note(cause=Cause.CANCELLED, detail="the run was cancelled")
            self._move(TrialEvent.BROKE, Cause.CANCELLED)
        else:
            self._move(TrialEvent.MEASURED, self._seen.cause)

    def _measure(self, server: Server) -> None:
        target = Target(base_url=server.base_url, model=server.spec.model_name)
        plan = _exact(self._order.plan, server.spec)
        probe = self._warm_up(target, plan)
        if self._order.suite is not None and not self._ask(target, self._order.suite):
            self._note(peak_memory_gib=server.peak_memory_gib())
            return
        self._load(target, plan, probe)
        self._note(peak_memory_gib=server.peak_memory_gib())

    def _warm_up(self, target: Target, plan: LoadPlan) -> Probe:
        self._say("warming up")
        started_s = self._rig.clock.monotonic_s()
        probe = self._rig.load.probe(target, plan)
        self._note(warmup_s=self._rig.clock.monotonic_s() - started_s)
        return probe

    def _ask(self, target: Target, suite: Suite) -> bool:
        """Ask the suite; false when the answers are garbage and nothing else is worth measuring."""
        self._say(f"asking {len(suite.items)} quality items")
        result = self._rig.evaluator.evaluate(
            target,
            suite,
            grader=self._rig.grader,
            seed=self._order.seed,
            concurrency=self._order.quality_concurrency,
            stop=self._order.garbage_rule,
        )
        self._note(quality=result)
        if result.stopped is not None and result.stopped.cause is StopCause.GARBAGE:
            self._note(cause=Cause.GARBAGE, detail=result.stopped.because)
            return False
        return True

    def _load(self, target: Target, plan: LoadPlan, probe: Probe) -> None:
        self._say("loading")
        with self._rig.host.watch() as cpu:
            result = self._rig.load.run(target, plan, probe=probe, stop=self._cancelled)
            share = cpu.foreign_cpu_share()
        summary = summarise(result.samples, open_loop=plan.open_loop)
        good = goodput(result.samples, summary, self._order.constraints, open_loop=plan.open_loop)
        self._note(load=result, summary=summary, goodput_rps=good, foreign_cpu_share=share)
        if summary.ok:
            self._note(cause=Cause.FINISHED)
        else:
            kinds = ", ".join(f"{count} {kind}" for kind, count in summary.outcomes.items())
            self._note(cause=Cause.LOAD_FAILED, detail=f"no request was answered: {kinds}")

    def _broke(self, end: ProcessEnd) -> None:
        cause = self._rig.engine.classify(end)
        how = "is still running" if end.exit_code is None else f"ended with {end.exit_code}"
        self._note(
            cause=cause,
            detail=f"{self._order.variant.engine} {how} after {end.waited_s:.1f} s",
            log_tail=end.log_tail,
        )
        self._move(TrialEvent.BROKE, cause)

    def _move(self, event: TrialEvent, cause: Cause | None = None) -> None:
        following = after(self._state, event)
        self._journal.moved(self._order.trial_id, was=self._state, event=event, cause=cause)
        self._state = following

    def _note(self, **learned: object) -> None:
        self._seen = replace(self._seen, **learned)  # type: ignore[arg-type]  # names of _Seen

    def _record(self, started_at_utc: str, wall_s: float) -> TrialRecord:
        order, seen = self._order, self._seen
        cold_start = ColdStart(
            environment_s=self._rig.environment.installed_s,
            weights_s=seen.artefact.prepared_s if seen.artefact else None,
            engine_s=seen.engine_s,
            warmup_s=seen.warmup_s,
        )
        footprint = Footprint(
            peak_memory_gib=seen.peak_memory_gib,
            memory_gib=order.accelerator.memory_gib,
            cold_start_s=cold_start.total_s,
            price_usd_per_hour=order.price_usd_per_hour,
        )
        client = (
            judge_client(seen.load, limits_ms=latency_limits_ms(order.constraints))
            if seen.load
            else None
        )
        return TrialRecord(
            trial_id=order.trial_id,
            variant=order.variant,
            repeat=order.repeat,
            cause=seen.cause,
            detail=seen.detail,
            metrics=trial_metrics(
                seen.summary, seen.quality, footprint, goodput_rps=seen.goodput_rps
            ),
            quality=seen.quality,
            cold_start=cold_start,
            samples=self._keep_samples(),
            provenance=Provenance(
                engine_version=self._rig.engine.version,
                argv=seen.argv,
                env=dict(seen.env),
                environment_lock_sha256=self._rig.environment.lock_sha256,
                environment_lock=self._rig.environment.lock,
                artefact=seen.artefact,
                seed=order.seed,
                started_at_utc=started_at_utc,
                log_tail=seen.log_tail,
            ),
            client=client,
            steady=seen.summary.steady if seen.summary else False,
            foreign_cpu_share=seen.foreign_cpu_share,
            wall_s=wall_s,
        )

    def _keep_samples(self) -> BlobRef | None:
        if self._seen.load is None:
            return None
        return self._rig.archive.keep(pack(self._seen.load.samples), suffix=".npz")


def _exact(plan: LoadPlan, spec: LaunchSpec) -> LoadPlan:
    """The plan in this engine's own words for an exact output length."""
    return replace(plan, settings=replace(plan.settings, extra_body=spec.exact_output))
