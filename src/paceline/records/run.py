"""One optimization as it is stored, and what happens to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from paceline.records.hardware import HostFingerprint
from paceline.records.launch import Cause
from paceline.records.model import Model
from paceline.records.plan import Plan
from paceline.records.race import Estimate
from paceline.records.ranking import Ranking
from paceline.records.request import Request
from paceline.records.trial import BlobRef, TrialState


class RunState(StrEnum):
    """Where a run is."""

    PLANNED = "planned"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    STOPPED = "stopped"
    """Shown, never stored: a killed run, which could not say that it stopped."""


RUN_MOVES: Final[Mapping[RunState, frozenset[RunState]]] = {
    RunState.PLANNED: frozenset({RunState.RUNNING, RunState.CANCELLED, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.FINISHED, RunState.CANCELLED, RunState.FAILED}),
    # `--resume` goes on with what was stopped; a killed run still says that it is running.
    RunState.CANCELLED: frozenset({RunState.RUNNING}),
    RunState.FAILED: frozenset({RunState.RUNNING}),
    RunState.FINISHED: frozenset(),
    RunState.STOPPED: frozenset(),
}
"""From where to where a run may go; a store refuses everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a finished run leaves; `receipt` is a path relative to the data folder."""

    ranking: Ranking
    receipt: BlobRef


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run with everything that is needed to go on with it after a crash.

    `model` is a snapshot: a resumed run measures the files whose hashes it names. `plan` is
    `None` until it was made, `result` until the run finished; `detail` says why it failed or
    was cancelled. Times are ISO 8601 in UTC, for people. `host` is the machine that it began on,
    `redirected_from` the run whose request was changed into this one, `changes` how, in lines.
    """

    run_id: str
    request: Request
    model: Model
    software_version: str
    created_at_utc: str
    state: RunState = RunState.PLANNED
    plan: Plan | None = None
    result: RunResult | None = None
    ended_at_utc: str | None = None
    detail: str | None = None
    host: HostFingerprint | None = None
    estimate: Estimate | None = None
    redirected_from: str | None = None
    changes: tuple[str, ...] = ()
    workspace: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTransition:
    """One step of a trial, stored before it is acted on.

    `before` is the state that the writer expects; `event` is a name of the trial table. The
    first step of a trial starts in `queued`.
    """

    trial_id: str
    before: TrialState
    event: str
    after: TrialState
    at_utc: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that people may want to look up: who changed what, how a run went.

    `number` is given by the store and rises; `None` before it is stored. `kind` is a short name
    such as `rolled-back`; those of changes are in `records.audit`. `actor` is the id of an admin
    key, `local` or `serve`, `subject` what was changed.
    """

    at_utc: str
    kind: str
    detail: str
    run_id: str | None = None
    pipeline: str | None = None
    number: int | None = None
    actor: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that writes a run.

    `pid` means something only within its boot and process namespace; `start_ticks` tells it from
    a later process that got the same number.
    """

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_ticks: int


def run_id_of(created_at: datetime, entropy: str) -> str:
    """`20261121-021530-ab12`: sorts by time (UTC), readable; `entropy` tells equal seconds apart.

    `entropy` is at least two bytes as hexadecimal digits; the first four digits are used.
    """
    return f"{created_at:%Y%m%d-%H%M%S}-{entropy[:4]}"
