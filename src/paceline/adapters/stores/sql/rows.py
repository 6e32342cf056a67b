"""Records in and out of rows."""

from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Row

from paceline.errors import Code, SetupError
from paceline.records.launch import Cause
from paceline.records.plan import Plan
from paceline.records.run import AuditEvent, RunRecord, RunResult, RunState, TrialTransition
from paceline.records.serial import SCHEMA_VERSION, Malformed, NewerSchema, unpack
from paceline.records.trial import TrialState

Record = TypeVar("Record")


def run_of(row: Row[tuple[str, ...]]) -> RunRecord:
    """A row of RUNS."""
    stored = record_of(RunRecord, row.record)
    return replace(
        stored,
        state=RunState(row.state),
        plan=None if row.plan is None else record_of(Plan, row.plan),
        result=None if row.result is None else record_of(RunResult, row.result),
        ended_at_utc=row.ended_at_utc,
        detail=row.detail,
    )


def transition_of(row: Row[tuple[str, ...]]) -> TrialTransition:
    """A row of TRANSITIONS."""
    return TrialTransition(
        trial_id=row.trial_id,
        before=TrialState(row.before),
        event=row.event,
        after=TrialState(row.after),
        at_utc=row.at_utc,
        cause=None if row.cause is None else Cause(row.cause),
    )


def event_of(row: Row[tuple[str, ...]]) -> AuditEvent:
    """A row of EVENTS."""
    return AuditEvent(
        at_utc=row.at_utc,
        kind=row.kind,
        detail=row.detail,
        run_id=row.run_id,
        pipeline=row.pipeline,
        number=row.number,
        actor=row.actor,
        subject=row.subject,
    )


def record_of(kind: type[Record], text: str) -> Record:
    """A packed record. Raises SetupError when it is damaged or newer than this program."""
    try:
        return unpack(kind, text)
    except NewerSchema as error:
        raise SetupError(
            Code.STORE_UNUSABLE,
            f"a stored {kind.__name__} was written by a newer Paceline",
            why=f"its schema version is {error.stored}; this program knows up to {SCHEMA_VERSION}",
            fix="install the newer Paceline again, or set PACELINE_DATA to another folder",
        ) from error
    except Malformed as error:
        raise SetupError(
            Code.STORE_UNUSABLE,
            f"a stored {kind.__name__} cannot be read",
            why=f"at {error.path}: {error.because}",
            fix="install the Paceline that wrote it, or set PACELINE_DATA to another folder",
        ) from error
