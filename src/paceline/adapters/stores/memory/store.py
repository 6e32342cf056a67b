"""The Store port in this process's memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from paceline.adapters.stores.memory.access import MemoryAccess
from paceline.adapters.stores.memory.deployments import MemoryDeployments
from paceline.clock import Clock, SystemClock
from paceline.errors import CapacityError, Code, SpecError
from paceline.ports.store import RunWriter, StaleWrite
from paceline.records.audit import LOCAL, AuditKind
from paceline.records.plan import Plan
from paceline.records.run import (
    RUN_MOVES,
    AuditEvent,
    RunRecord,
    RunResult,
    RunState,
    TrialTransition,
)
from paceline.records.trial import TrialRecord, TrialState
from paceline.records.version import FailureFact, Pipeline, Version


@dataclass(slots=True)
class _Run:
    """All that is kept of one run; `writer` is who holds its lease."""

    record: RunRecord
    transitions: list[TrialTransition] = field(default_factory=list)
    trials: list[TrialRecord] = field(default_factory=list)
    writer: "MemoryRunWriter | None" = None


class MemoryRunWriter:
    """Writes one run while it is the run's writer."""

    def __init__(self, run: _Run, clock: Clock) -> None:
        self._kept = run
        self._clock = clock

    @property
    def run_id(self) -> str:
        return self._kept.record.run_id

    def save_plan(self, plan: Plan) -> None:
        self._change(plan=plan)

    def move(self, before: RunState, after: RunState, *, detail: str | None = None) -> None:
        if after is RunState.FINISHED:
            raise StaleWrite(f"run {self.run_id} is finished by finish(), with a result")
        self._leave(before, after)
        ended_at_utc = None if after is RunState.RUNNING else self._now()
        self._change(state=after, detail=detail, ended_at_utc=ended_at_utc)

    def append(self, transition: TrialTransition) -> None:
        self._check_lease()
        steps = [s for s in self._kept.transitions if s.trial_id == transition.trial_id]
        last = steps[-1].after if steps else TrialState.QUEUED
        if last is not transition.before:
            raise StaleWrite(f"trial {transition.trial_id} is {last}, not {transition.before}")
        self._kept.transitions.append(transition)

    def save_trial(self, trial: TrialRecord) -> None:
        self._check_lease()
        if any(kept.trial_id == trial.trial_id for kept in self._kept.trials):
            raise StaleWrite(f"trial {trial.trial_id} is already stored")
        self._kept.trials.append(trial)

    def finish(self, result: RunResult) -> None:
        self._leave(RunState.RUNNING, RunState.FINISHED)
        self._change(state=RunState.FINISHED, result=result, ended_at_utc=self._now())

    def _leave(self, before: RunState, after: RunState) -> None:
        self._check_lease()
        state = self._kept.record.state
        if state is not before or after not in RUN_MOVES[before]:
            raise StaleWrite(f"run {self.run_id} is {state}: not from {before} to {after}")

    def _change(self, **fields: object) -> None:
        self._check_lease()
        self._kept.record = replace(self._kept.record, **fields)  # type: ignore[arg-type]  # its own fields

    def _check_lease(self) -> None:
        if self._kept.writer is not self:
            raise _busy(self.run_id)

    def _now(self) -> str:
        return self._clock.utc_now().isoformat(timespec="seconds")


class MemoryStore:
    """Everything in lists; gone with the process. Not for use by several threads at once."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._runs: dict[str, _Run] = {}
        self._versions: dict[str, list[Version]] = {}
        self._current: dict[str, int] = {}
        self._failures: dict[tuple[str, str, str], FailureFact] = {}
        self._events: list[AuditEvent] = []
        self._deployments = MemoryDeployments(self.note)
        self._access = MemoryAccess(self.note)

    @property
    def deployments(self) -> MemoryDeployments:
        return self._deployments

    @property
    def access(self) -> MemoryAccess:
        return self._access

    def close(self) -> None:
        """Nothing is held."""

    def create_run(self, run: RunRecord) -> None:
        if run.run_id in self._runs:
            raise StaleWrite(f"run {run.run_id} is already stored")
        self._runs[run.run_id] = _Run(record=run)

    def run(self, run_id: str) -> RunRecord:
        return self._find(run_id).record

    def runs(self, *, limit: int | None = None) -> tuple[RunRecord, ...]:
        latest_first = sorted(self._runs, reverse=True)
        return tuple(self._runs[run_id].record for run_id in latest_first[:limit])

    def run_states(self, workspace: str) -> Mapping[str, RunState]:
        return {
            run_id: self._runs[run_id].record.state
            for run_id in sorted(self._runs)
            if self._runs[run_id].record.workspace == workspace
        }

    def trials(self, run_id: str) -> tuple[TrialRecord, ...]:
        kept = self._runs.get(run_id)
        return tuple(kept.trials) if kept else ()

    def transitions(self, run_id: str) -> tuple[TrialTransition, ...]:
        kept = self._runs.get(run_id)
        return tuple(kept.transitions) if kept else ()

    def abandoned(self) -> frozenset[str]:
        return frozenset(
            run_id
            for run_id, kept in self._runs.items()
            if kept.record.state is RunState.RUNNING and kept.writer is None
        )

    @contextmanager
    def write_run(self, run_id: str, *, take_over: bool = False) -> Iterator[RunWriter]:
        kept = self._find(run_id)
        if kept.writer is not None and not take_over:
            raise _busy(kept.record.run_id)
        writer = kept.writer = MemoryRunWriter(kept, self._clock)
        try:
            yield writer
        finally:
            if kept.writer is writer:
                kept.writer = None

    def add_version(self, version: Version) -> Version:
        kept = self._versions.setdefault(version.pipeline, [])
        for stored in kept:
            if stored.run_id == version.run_id:
                return stored
        numbered = replace(version, number=len(kept) + 1)
        kept.append(numbered)
        self._current[version.pipeline] = numbered.number
        return numbered

    def pipelines(self) -> tuple[Pipeline, ...]:
        return tuple(
            Pipeline(name=name, current=self._current[name], versions=len(self._versions[name]))
            for name in sorted(self._versions)
        )

    def versions(self, pipeline: str) -> tuple[Version, ...]:
        if pipeline not in self._versions:
            raise _unknown(f"no pipeline is called {pipeline!r}", sorted(self._versions))
        return tuple(self._versions[pipeline])

    def rollback(self, pipeline: str, number: int, *, at_utc: str, actor: str = LOCAL) -> Version:
        versions = {version.number: version for version in self.versions(pipeline)}
        if number not in versions:
            raise _unknown(f"pipeline {pipeline!r} has no version {number}", list(versions))
        event = AuditEvent(
            at_utc=at_utc,
            kind=AuditKind.ROLLED_BACK.value,
            detail=f"current version {self._current[pipeline]} -> {number}",
            pipeline=pipeline,
            actor=actor,
        )
        self._current[pipeline] = number
        self.note(event)
        return versions[number]

    def add_failure(self, fact: FailureFact) -> None:
        same = (fact.model_sha256, fact.engine_version, fact.variant.id)
        self._failures.pop(same, None)
        self._failures[same] = fact

    def failures(self, model_sha256: str) -> tuple[FailureFact, ...]:
        return tuple(f for f in self._failures.values() if f.model_sha256 == model_sha256)

    def note(self, event: AuditEvent) -> None:
        self._events.append(replace(event, number=len(self._events) + 1))

    def events(
        self, *, run_id: str | None = None, after: int = 0, since_utc: str = ""
    ) -> tuple[AuditEvent, ...]:
        return tuple(
            event
            for event in self._events[after:]
            if run_id in (None, event.run_id) and event.at_utc >= since_utc
        )

    def _find(self, run_id: str) -> _Run:
        found = [known for known in self._runs if known.startswith(run_id)]
        if run_id in found:
            found = [run_id]
        if len(found) != 1:
            raise _unknown(f"{len(found)} runs are called {run_id!r}", found or list(self._runs))
        return self._runs[found[0]]


def _unknown(what: str, known: list[str] | list[int]) -> SpecError:
    names = ", ".join(map(str, known)) or "none"
    return SpecError(Code.UNKNOWN_NAME, what, why=f"known: {names}", fix="use one of them")


def _busy(run_id: str) -> CapacityError:
    return CapacityError(
        Code.RUN_BUSY,
        f"run {run_id} is being worked on by another writer",
        why="its lease is held",
        fix=f"wait for it, or stop it with `paceline runs cancel {run_id}`",
    )
