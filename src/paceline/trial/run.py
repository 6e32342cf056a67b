"""One trial: prepare, start, wait, warm up, read distributions, first rung, ask, load, stop.

The first rung is a short load of its own, after which a trial without a chance ends: within one
launch, for starting an engine costs more than a short load does. Drives the table in
`trial.machine` through ports. Whatever happens to the engine becomes a cause in the record; what
happens to Paceline itself (an interrupt, a full disk) is not caught here, and the executor's
context still ends the processes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Final, Protocol

from paceline.clock import Clock
from paceline.errors import CandidateError, Code, SetupError
from paceline.ports.archive import Archive
from paceline.ports.engine import CanDraft, Engine, Say, WarmsUp
from paceline.ports.executor import Executor, ForgetsPeak, Server
from paceline.ports.fidelity import DistributionReader
from paceline.ports.host import Host
from paceline.ports.inspection import Inspector
from paceline.ports.load import LoadGenerator
from paceline.ports.quality import Evaluator, Grader
from paceline.ports.telemetry import Telemetry
from paceline.records.fidelity import pack_readings
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import Probe, Target
from paceline.records.load_plan import LoadPlan
from paceline.records.quality import ItemScore, StopCause, Stopped
from paceline.records.samples import pack
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import DeviceProcess, Snapshot
from paceline.records.trial import BlobRef, Cut, TrialRecord, TrialState
from paceline.trial.account import Seen, trial_record
from paceline.trial.allowance import Allowance, expected_load_s
from paceline.trial.asking import Asking, Questions
from paceline.trial.machine import TrialEvent, after
from paceline.trial.order import FirstRung, TrialOrder
from paceline.trial.slo import goodput
from paceline.trial.speculation import SETTLE_S, counts_between, read_counters
from paceline.trial.strangers import device_processes, strangers
from paceline.trial.timeline import summarise
from paceline.units import Seconds

_HERE: Final = Target(base_url="http://127.0.0.1", model="")
"""Engines are on this machine, and devices are asked about before there is an endpoint."""
AFTER_READING_S: Final = Seconds(0.5)
"""Our own server gives the memory for distributions back when nobody asked for 0.3 s."""


class Journal(Protocol):
    """Stores every transition before it is acted on."""

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None: ...


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
        reader: DistributionReader | None = None,
        inspector: Inspector | None = None,
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
        self.reader = reader
        self.inspector = inspector
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
        self._seen = Seen()
        self._there_before: tuple[DeviceProcess, ...] | None = None
        self._started_s = self._launched_s = rig.clock.monotonic_s()
        self._started_at = rig.clock.utc_now().isoformat(timespec="seconds")

    def run(self) -> TrialRecord:
        """The record of what happened. Raises CapacityError when no port or device is free."""
        self._move(TrialEvent.GRANTED)
        with ExitStack() as holding:
            artefact = self._prepare(holding)
            if artefact is not None:
                self._launch(artefact)
        self._note(readings=self._keep_readings())
        return self._record(self._keep_samples())

    def _launch(self, artefact: Artefact) -> None:
        self._launched_s = self._rig.clock.monotonic_s()
        self._there_before = self._on_device()
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
        spec = replace(spec, cores=self._order.accelerator.engine_cores)
        if self._order.pictures is not None and isinstance(engine, WarmsUp):
            spec = engine.warmed(spec, self._order.pictures)
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
            damaged = error.code is Code.DAMAGED_CHECKPOINT
            cause = Cause.BAD_CHECKPOINT if damaged else Cause.PREPARE_FAILED
            self._note(cause=cause, detail=f"{error.what}: {error.why}")
            self._move(TrialEvent.BROKE, cause)
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
        target = Target(
            base_url=server.base_url, model=server.spec.model_name, route=self._order.route
        )
        plan = _exact(self._order.plan, server.spec)
        probe = self._warm_up(target, plan)
        asking = self._asking(target)
        if self._reads_sound(asking, server):
            rung = self._order.rung
            goes_on = rung is None or self._goes_on(target, rung, probe, server)
            if goes_on and self._ask(asking, plan, probe, server):
                self._load(target, plan, probe)
            self._look_inside(target)
        self._note(peak_memory_gib=self._peak_gib(server))

    def _goes_on(self, target: Target, rung: FirstRung, probe: Probe, server: Server) -> bool:
        """Load for a short while; false when that is enough to know."""
        self._load(target, _exact(rung.plan, server.spec), probe)
        self._note(peak_memory_gib=self._peak_gib(server))
        if self._seen.cause is not Cause.FINISHED or self._seen.cut or self._cancelled():
            return False
        because = rung.why_end(self._record(samples=None))
        if because is not None:
            self._note(cut=Cut(share=rung.share, because=because))
        return because is None

    def _look_inside(self, target: Target) -> None:
        """What the runtime found in its modules; a trial stands without it, its chips do not."""
        if self._rig.inspector is None or self._seen.cause is not Cause.FINISHED:
            return
        try:
            self._note(inspected=self._rig.inspector.inspect(target))
        except SetupError as error:
            self._note(detail=f"{error.what}: {error.why}")

    def _peak_gib(self, server: Server) -> float | None:
        """The highest before and after what was forgotten."""
        found = (self._seen.peak_memory_gib, server.peak_memory_gib())
        return max((value for value in found if value is not None), default=None)

    def _warm_up(self, target: Target, plan: LoadPlan) -> Probe:
        self._say("warming up")
        started_s = self._rig.clock.monotonic_s()
        probe = self._rig.load.probe(target, plan)
        self._note(warmup_s=self._rig.clock.monotonic_s() - started_s)
        return probe

    def _asking(self, target: Target) -> Asking:
        order, rig = self._order, self._rig
        questions = Questions(
            suite=order.suite,
            own=order.own_suite,
            long=order.long_suite,
            garbage=order.garbage_rule,
            paired=order.paired_rule,
            late=self._too_late,
            reading=order.reading,
            no_reading=order.no_reading,
            allowance=Allowance(
                share=order.quality_share,
                stretch=order.quality_stretch,
                needed=order.quality_needed,
            ),
            seed=order.seed,
            in_flight=order.quality_concurrency,
            loaded_in_flight=order.loaded_concurrency,
            loaded_items=order.loaded_items,
        )
        return Asking(
            questions,
            target,
            evaluator=rig.evaluator,
            grader=rig.grader,
            reader=rig.reader,
            clock=rig.clock,
            say=self._say,
        )

    def _reads_sound(self, asking: Asking, server: Server) -> bool:
        """Read the distributions; false when they are garbage: no speed is worth measuring."""
        before_gib = server.peak_memory_gib()
        if asking.read_before_speed():
            self._forget_reading(server, before_gib)
        self._note(answers=asking.answers)
        return self._is_sound()

    def _forget_reading(self, server: Server, before_gib: float | None) -> None:
        """What an engine needs to show its distributions is no part of what serving takes."""
        if isinstance(server, ForgetsPeak):
            self._rig.clock.sleep(AFTER_READING_S)
            server.forget_peak()
            self._note(peak_memory_gib=before_gib)

    def _ask(self, asking: Asking, plan: LoadPlan, probe: Probe, server: Server) -> bool:
        """Ask the suites; false when the answers are garbage: nothing else is worth measuring."""
        summary, spent_s = self._seen.summary, self._seen.answers.spent_s or 0.0
        rate = summary.requests_per_s if summary else None
        gone_s = self._rig.clock.monotonic_s() - self._launched_s - spent_s
        before_gib, read = self._peak_gib(server), asking.answers.closeness.readings
        asking.ask(rest_s=gone_s + expected_load_s(plan, probe, requests_per_s=rate))
        if asking.answers.closeness.readings is not read:
            self._forget_reading(server, before_gib)
        self._note(answers=asking.answers)
        if not self._is_sound():
            return False
        if self._late():
            self._spent(share=self._order.rung.share if self._order.rung else 0.0)
        return not self._late()

    def _is_sound(self) -> bool:
        garbage = self._seen.answers.garbage
        if garbage is not None:
            self._note(cause=Cause.GARBAGE, detail=garbage)
        return garbage is None

    def _spent(self, *, share: float) -> None:
        """The budget is spent: what was loaded so far counts, and nothing loaded is nothing."""
        if self._seen.load is None:
            self._note(cause=Cause.CANCELLED, detail="the budget was spent before the load")
        else:
            self._note(cut=Cut(share=share, because="the budget was spent"))

    def _too_late(self, _scores: Sequence[ItemScore]) -> Stopped | None:
        because = "the budget was spent"
        return Stopped(cause=StopCause.CANCELLED, because=because) if self._late() else None

    def _load(self, target: Target, plan: LoadPlan, probe: Probe) -> None:
        self._say("loading")
        began_s = self._rig.clock.monotonic_s()
        before, beside = self._counted(target), self._on_device()
        with self._rig.host.watch() as cpu:
            result = self._rig.load.run(target, plan, probe=probe, stop=self._ended_from_outside)
            share = cpu.foreign_cpu_share()
        self._note(strangers=strangers(self._there_before or (), beside, self._on_device()))
        summary = summarise(result.samples, open_loop=plan.open_loop)
        good = goodput(result.samples, summary, self._order.constraints, open_loop=plan.open_loop)
        self._note(load=result, summary=summary, goodput=good, foreign_cpu_share=share)
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

    def _on_device(self) -> tuple[DeviceProcess, ...] | None:
        """Who computes on the accelerator now; on processors `foreign_cpu_share` tells instead."""
        if self._order.accelerator.kind is AcceleratorKind.CPU:
            return None
        return device_processes(self._rig.telemetry, _HERE)

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
        self._seen = replace(self._seen, **learned)  # type: ignore[arg-type]  # names of Seen

    def _record(self, samples: BlobRef | None) -> TrialRecord:
        rig = self._rig
        return trial_record(
            self._order,
            self._seen,
            samples=samples,
            environment=rig.environment,
            engine_version=rig.engine.version,
            started_at_utc=self._started_at,
            wall_s=rig.clock.monotonic_s() - self._started_s,
        )

    def _keep_samples(self) -> BlobRef | None:
        if self._seen.load is None:
            return None
        return self._rig.archive.keep(pack(self._seen.load.samples), suffix=".npz")

    def _keep_readings(self) -> BlobRef | None:
        readings = self._seen.answers.closeness.readings
        if readings is None:
            return None
        return self._rig.archive.keep(pack_readings(readings), suffix=".readings")


def _exact(plan: LoadPlan, spec: LaunchSpec) -> LoadPlan:
    """The plan in this engine's own words for an exact output length."""
    body = (*plan.settings.extra_body, *spec.exact_output)
    return replace(plan, settings=replace(plan.settings, extra_body=body))
