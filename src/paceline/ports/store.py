"""The Store port: what is kept of runs, versions and failures.

Every write is durable against a killed process when the call returns. Raises beside those named:
SetupError `store-unusable` (unreadable, locked for too long, stored by a newer Paceline) and
`disk-full`; after either, what was stored before is intact.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from paceline.ports.access import Access
from paceline.ports.deployments import Deployments
from paceline.records.audit import LOCAL
from paceline.records.plan import Plan
from paceline.records.run import AuditEvent, RunRecord, RunResult, RunState, TrialTransition
from paceline.records.trial import TrialRecord
from paceline.records.version import FailureFact, Pipeline, Version


class StaleWrite(Exception):
    """A write expected a state that is no longer there. With one writer per run, a bug of ours."""


class RunWriter(Protocol):
    """The one process that may change a run.

    Each write checks, in its own transaction, that the lease is still held, and raises
    CapacityError `run-busy` when another process has taken it over.
    """

    @property
    def run_id(self) -> str:
        """The run it writes."""
        ...

    def save_plan(self, plan: Plan) -> None:
        """Replace the plan."""
        ...

    def move(self, before: RunState, after: RunState, *, detail: str | None = None) -> None:
        """Change the state of the run; not to FINISHED, which is `finish`.

        `detail` is kept with the run. Raises StaleWrite when the run is not in `before` or may
        not go from there to `after`.
        """
        ...

    def append(self, transition: TrialTransition) -> None:
        """Store a step of a trial, before acting on it.

        Raises StaleWrite when the trial's last stored state is not `transition.before`.
        """
        ...

    def save_trial(self, trial: TrialRecord) -> None:
        """Store what a trial left. Raises StaleWrite when that trial is already there."""
        ...

    def finish(self, result: RunResult) -> None:
        """Running → finished, with its outcome. Raises StaleWrite when it is not running."""
        ...


class RunStore(Protocol):
    """Runs and their trials."""

    def create_run(self, run: RunRecord) -> None:
        """Store a new run. Raises StaleWrite when its id is taken."""
        ...

    def run(self, run_id: str) -> RunRecord:
        """One run, by its id or by an unambiguous beginning of it. Raises SpecError."""
        ...

    def runs(self, *, limit: int | None = None) -> tuple[RunRecord, ...]:
        """Latest first."""
        ...

    def run_states(self, workspace: str) -> Mapping[str, RunState]:
        """The state of every run of a workspace by its id, oldest first."""
        ...

    def trials(self, run_id: str) -> tuple[TrialRecord, ...]:
        """Trials that ended, in the order in which they did."""
        ...

    def transitions(self, run_id: str) -> tuple[TrialTransition, ...]:
        """Every step of every trial, in the order in which they were stored."""
        ...

    def abandoned(self) -> frozenset[str]:
        """Runs that are stored as running and that nobody writes any more: what a kill leaves.

        A process of another host or container counts as alive: its life cannot be seen from here.
        """
        ...

    def write_run(
        self, run_id: str, *, take_over: bool = False
    ) -> AbstractContextManager[RunWriter]:
        """Hold the run's lease and write; the lease ends with the context.

        A lease left by a dead process of this host is taken over. Raises CapacityError
        `run-busy` when another process holds it, and, since its life cannot be seen from here,
        when a process of another host does: `take_over` is for when the user knows that it is
        gone.
        """
        ...


class VersionStore(Protocol):
    """Pipelines and their versions; append-only but for the pointer to the current one."""

    def add_version(self, version: Version) -> Version:
        """Append the choice of a run and make it current; `version.number` is replaced.

        Calling again for the same run changes nothing and returns the stored version, so that a
        resumed run cannot leave two.
        """
        ...

    def pipelines(self) -> tuple[Pipeline, ...]:
        """By name."""
        ...

    def versions(self, pipeline: str) -> tuple[Version, ...]:
        """Oldest first. Raises SpecError for a pipeline that does not exist."""
        ...

    def rollback(self, pipeline: str, number: int, *, at_utc: str, actor: str = LOCAL) -> Version:
        """Make an existing version current and audit it. Nothing is deleted, nothing deployed.

        Raises SpecError when there is no such pipeline or version.
        """
        ...


class HistoryStore(Protocol):
    """What later runs and people look up."""

    def add_failure(self, fact: FailureFact) -> None:
        """Remember what a variant died of; the latest fact replaces an equal one."""
        ...

    def failures(self, model_sha256: str) -> tuple[FailureFact, ...]:
        """Facts about this exact model, on every engine version, oldest first."""
        ...

    def note(self, event: AuditEvent) -> None:
        """Append to the audit trail; `event.number` is replaced."""
        ...

    def events(
        self, *, run_id: str | None = None, after: int = 0, since_utc: str = ""
    ) -> tuple[AuditEvent, ...]:
        """Events whose number is above `after`, in order; of one run if given.

        `since_utc` leaves out what was noted before it. What was noted cannot be changed.
        """
        ...


class Store(RunStore, VersionStore, HistoryStore, Protocol):
    """All of it, in one place.

    `close` lets go of the database; the store is not used afterwards.
    """

    @property
    def deployments(self) -> Deployments:
        """Endpoints and replicas."""
        ...

    @property
    def access(self) -> Access:
        """Keys and usage."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...
