"""One trial: prepare, start, wait, warm up, first rung, ask the suite, load, stop.

The first rung is a short load of its own, after which a trial without a chance ends: within one
launch, for starting an engine costs more than a short load does. Drives the table in
`trial.machine` through ports. Whatever happens to the engine becomes a cause in the record; what
happens to Paceline itself (an interrupt, a full disk) is not caught here, and the executor's
context still ends the processes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from paceline.clock import Clock
from paceline.errors import CandidateError, SetupError
from paceline.ports.archive import Archive
from paceline.ports.engine import CanDraft, Engine, Say
from paceline.ports.executor import Executor, Server
from paceline.ports.host import Host
from paceline.ports.load import LoadGenerator
from paceline.ports.quality import Evaluator, Grader, StopRule
from paceline.ports.telemetry import Telemetry
from paceline.records.hardware import Accelerator
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import LoadResult, LoadSummary, Probe, Target
from paceline.records.load_plan import LoadPlan
from paceline.records.model import Model
from paceline.records.quality import ItemScore, QualityResult, StopCause, Stopped, Suite
from paceline.records.request import Constraint
from paceline.records.samples import pack
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import Snapshot
from paceline.records.trial import BlobRef, ColdStart, Cut, Provenance, TrialRecord, TrialState
from paceline.records.variant import Variant
from paceline.trial.asking import Questions, ask_suites
from paceline.trial.innocence import judge_client
from paceline.trial.machine import TrialEvent, after
from paceline.trial.metrics import Footprint, trial_metrics
from paceline.trial.sequential import PairedRule
from paceline.trial.slo import goodput
from paceline.trial.speculation import SETTLE_S, counts_between, read_counters
from paceline.trial.timeline import summarise
from paceline.trial.workload import latency_limits_ms


class Journal(Protocol):
    """Stores every transition before it is acted on."""

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRung:
    """A short load before the whole one. `why_end` tells from its record why the trial ends there,
    `None` when it goes on; `share` is its part (0–1) of the whole window."""

    plan: LoadPlan
    share: float
    why_end: Callable[[TrialRecord], str | None]


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
    rung: FirstRung | None = None
    """`None` measures the whole window at once."""
    draft: Model | None = None
    """The small model that guesses ahead where the variant says so."""
    paired_rule: PairedRule | None = None
    """Stops the suite when the comparison with the baseline is clear; `None` asks every item."""
    own_suite: Suite | None = None
    """The user's own test set, asked whole."""
    until_s: float | None = None
    """Monotonic time at which the budget is spent: the trial ends there with what it has."""


Hold = Callable[[TrialOrder, Say], AbstractContextManager[Artefact]]
"""Gives what a trial's engine is to load, made when it is not there, and keeps it while it is used.

Raises CandidateError when it cannot be made.
"""


class Rig:
    """The live things that a trial is done with. Without `hold` the engine makes what it loads."""

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
        telemetry: tuple[Telemetry, ...] = (),
        hold: Hold | None = None,
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
        self.telemetry = telemetry
        self.hold: Hold = hold or self._prepared

    @contextmanager
    def _prepared(self, order: TrialOrder, say: Say) -> Iterator[Artefact]:
        yield self.engine.prepare(
            order.model,
            order.variant.format,
            environment=self.environment,
            cache=order.cache,
            say=say,
        )


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
    own_quality: QualityResult | None = None
    quality_s: float | None = None
    load: LoadResult | None = None
    summary: LoadSummary | None = None
    goodput_rps: float | None = None
    foreign_cpu_share: float | None = None
    peak_memory_gib: float | None = None
    log_tail: str = ""
    cut: Cut | None = None
    speculation: SpeculationCounts | None = None
    draft: Artefact | None = None


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
        self._started_s = rig.clock.monotonic_s()
        self._started_at = rig.clock.utc_now().isoformat(timespec="seconds")

    def run(self) -> TrialRecord:
        """The record of what happened. Raises CapacityError when no port or device is free."""
        self._move(TrialEvent.GRANTED)
        with ExitStack() as holding:
            artefact = self._prepare(holding)
            if artefact is not None:
                self._launch(artefact)
        return self._record(self._keep_samples())

    def _launch(self, artefact: Artefact) -> None:
        with self._rig.executor.start(
            lambda port: self._spec(artefact, port),
            log_path=self._order.log_path,
        ) as server:
            self._note(argv=server.spec.argv, env=tuple(sorted(server.spec.env.items())))
            self._serve(server)
        self._move(TrialEvent.RELEASED)

    def _spec(self, artefact: Artefact, port: int) -> LaunchSpec:
        engine, draft = self._rig.engine, self._seen.draft
        spec = engine.launch(
            self._order.variant,
            artefact,
            model=self._order.model,
            environment=self._rig.environment,
            accelerator=self._order.accelerator,
            port=port,
        )
        return engine.with_draft(spec, draft) if draft and isinstance(engine, CanDraft) else spec

    def _ended_from_outside(self) -> bool:
        return self._late() or self._cancelled()

    def _late(self) -> bool:
        """Whether the budget is spent."""
        until_s = self._order.until_s
        return until_s is not None and self._rig.clock.monotonic_s() >= until_s

    def _prepare(self, holding: ExitStack) -> Artefact | None:
        self._say("preparing")
        try:
            artefact = holding.enter_context(self._rig.hold(self._order, self._say))
            draft = self._prepare_draft()
        except CandidateError as error:
            self._note(cause=Cause.PREPARE_FAILED, detail=f"{error.what}: {error.why}")
            self._move(TrialEvent.BROKE, Cause.PREPARE_FAILED)
            return None
        self._note(artefact=artefact, draft=draft)
        self._move(TrialEvent.PREPARED)
        return artefact

    def _prepare_draft(self) -> Artefact | None:
        """The small model, unquantized: its guesses are what it is there for."""
        engine, draft = self._rig.engine, self._order.draft
        if draft is None or not self._order.variant.drafted:
            return None
        return engine.prepare(
            draft,
            engine.formats()[0],
            environment=self._rig.environment,
            cache=self._order.cache,
            say=self._say,
        )

    def _serve(self, server: Server) -> None:
        self._say("starting")
        end = server.wait_ready(self._ended_from_outside)
        if end is not None and end.exit_code is None and self._ended_from_outside():
            spent = "the budget was spent" if self._late() else "the run was cancelled"
            self._note(cause=Cause.CANCELLED, detail=f"{spent} before it was ready")
            self._move(TrialEvent.BROKE, Cause.CANCELLED)
            return
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
        rung = self._order.rung
        if (rung is None or self._goes_on(target, rung, probe, server)) and self._ask(target):
            self._load(target, plan, probe)
        self._note(peak_memory_gib=server.peak_memory_gib())

    def _goes_on(self, target: Target, rung: FirstRung, probe: Probe, server: Server) -> bool:
        """Load for a short while; false when that is enough to know."""
        self._load(target, _exact(rung.plan, server.spec), probe)
        self._note(peak_memory_gib=server.peak_memory_gib())
        if self._seen.cause is not Cause.FINISHED or self._seen.cut or self._cancelled():
            return False
        because = rung.why_end(self._record(samples=None))
        if because is not None:
            self._note(cut=Cut(share=rung.share, because=because))
        return because is None

    def _warm_up(self, target: Target, plan: LoadPlan) -> Probe:
        self._say("warming up")
        started_s = self._rig.clock.monotonic_s()
        probe = self._rig.load.probe(target, plan)
        self._note(warmup_s=self._rig.clock.monotonic_s() - started_s)
        return probe

    def _ask(self, target: Target) -> bool:
        """Ask the suites; false when the answers are garbage: nothing else is worth measuring."""
        order, began_s = self._order, self._rig.clock.monotonic_s()
        questions = Questions(
            suite=order.suite,
            own=order.own_suite,
            garbage=order.garbage_rule,
            paired=order.paired_rule,
            late=self._too_late,
        )
        answers = ask_suites(questions, lambda suite, stop: self._answers(target, suite, stop))
        self._note(quality=answers.quality, own_quality=answers.own)
        if answers.quality is not None or answers.own is not None:
            self._note(quality_s=self._rig.clock.monotonic_s() - began_s)
        if answers.garbage is not None:
            self._note(cause=Cause.GARBAGE, detail=answers.garbage)
            return False
        if self._late():
            self._spent(share=self._order.rung.share if self._order.rung else 0.0)
        return not self._late()

    def _spent(self, *, share: float) -> None:
        """The budget is spent: what was loaded so far counts, and nothing loaded is nothing."""
        if self._seen.load is None:
            self._note(cause=Cause.CANCELLED, detail="the budget was spent before the load")
        else:
            self._note(cut=Cut(share=share, because="the budget was spent"))

    def _answers(self, target: Target, suite: Suite, stop: StopRule) -> QualityResult:
        self._say(f"asking {len(suite.items)} quality items")
        return self._rig.evaluator.evaluate(
            target,
            suite,
            grader=self._rig.grader,
            seed=self._order.seed,
            concurrency=self._order.quality_concurrency,
            stop=stop,
        )

    def _too_late(self, _scores: Sequence[ItemScore]) -> Stopped | None:
        because = "the budget was spent"
        return Stopped(cause=StopCause.CANCELLED, because=because) if self._late() else None

    def _load(self, target: Target, plan: LoadPlan, probe: Probe) -> None:
        self._say("loading")
        began_s = self._rig.clock.monotonic_s()
        before = self._counted(target)
        with self._rig.host.watch() as cpu:
            result = self._rig.load.run(target, plan, probe=probe, stop=self._ended_from_outside)
            share = cpu.foreign_cpu_share()
        summary = summarise(result.samples, open_loop=plan.open_loop)
        good = goodput(result.samples, summary, self._order.constraints, open_loop=plan.open_loop)
        self._note(load=result, summary=summary, goodput_rps=good, foreign_cpu_share=share)
        self._note(speculation=self._guesses(before, target))
        if result.stopped and self._late():
            took_s = self._rig.clock.monotonic_s() - began_s
            self._spent(share=min(took_s / plan.duration_s, 1.0) if plan.duration_s else 0.0)
        if summary.ok:
            self._note(cause=Cause.FINISHED)
        elif result.stopped:
            self._note(cause=Cause.CANCELLED, detail="stopped before the first answer")
        else:
            kinds = ", ".join(f"{count} {kind}" for kind, count in summary.outcomes.items())
            self._note(cause=Cause.LOAD_FAILED, detail=f"no request was answered: {kinds}")

    def _counted(self, target: Target) -> Snapshot | None:
        """The engine's own counters, where the variant guesses ahead."""
        if self._order.variant.speculation is None:
            return None
        return read_counters(self._rig.telemetry, target)

    def _guesses(self, before: Snapshot | None, target: Target) -> SpeculationCounts | None:
        if before is None:
            return None
        self._rig.clock.sleep(SETTLE_S)
        last = self._counted(target)
        return None if last is None else counts_between(before, last)

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

    def _record(self, samples: BlobRef | None) -> TrialRecord:
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
                seen.summary,
                seen.quality,
                footprint,
                goodput_rps=seen.goodput_rps,
                speculation=seen.speculation,
                own_quality=seen.own_quality,
            ),
            quality=seen.quality,
            own_quality=seen.own_quality,
            quality_s=seen.quality_s,
            cold_start=cold_start,
            samples=samples,
            provenance=Provenance(
                engine_version=self._rig.engine.version,
                argv=seen.argv,
                env=dict(seen.env),
                environment_lock_sha256=self._rig.environment.lock_sha256,
                environment_lock=self._rig.environment.lock,
                artefact=seen.artefact,
                seed=order.seed,
                started_at_utc=self._started_at,
                log_tail=seen.log_tail,
                draft=seen.draft,
            ),
            client=client,
            steady=seen.summary.steady if seen.summary else False,
            foreign_cpu_share=seen.foreign_cpu_share,
            wall_s=self._rig.clock.monotonic_s() - self._started_s,
            cut=seen.cut,
            speculation=seen.speculation,
        )

    def _keep_samples(self) -> BlobRef | None:
        if self._seen.load is None:
            return None
        return self._rig.archive.keep(pack(self._seen.load.samples), suffix=".npz")


def _exact(plan: LoadPlan, spec: LaunchSpec) -> LoadPlan:
    """The plan in this engine's own words for an exact output length."""
    return replace(plan, settings=replace(plan.settings, extra_body=spec.exact_output))
