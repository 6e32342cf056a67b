"""The lease on a run, and the writes of the process that holds it."""

import secrets

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from paceline.adapters.stores.sql.database import Database
from paceline.adapters.stores.sql.owner import is_dead, this_process
from paceline.adapters.stores.sql.rows import record_of
from paceline.adapters.stores.sql.tables import LEASES, RUNS, TRANSITIONS, TRIALS
from paceline.clock import Clock
from paceline.errors import CapacityError, Code
from paceline.ports.store import StaleWrite
from paceline.records.plan import Plan
from paceline.records.run import RUN_MOVES, Owner, RunResult, RunState, TrialTransition
from paceline.records.serial import pack
from paceline.records.trial import TrialRecord, TrialState


def take_lease(connection: Connection, run_id: str, *, take_over: bool, at_utc: str) -> str:
    """A new token that writes of this run must show; any older one ends. Raises CapacityError."""
    held = connection.execute(select(LEASES).where(LEASES.c.run_id == run_id)).one_or_none()
    if held is not None:
        owner = record_of(Owner, held.owner)
        if not take_over and not is_dead(owner):
            raise _busy(run_id, owner, held.taken_at_utc)
        connection.execute(delete(LEASES).where(LEASES.c.run_id == run_id))
    token = secrets.token_hex(8)
    connection.execute(
        insert(LEASES).values(
            run_id=run_id,
            token=token,
            owner=pack(this_process()),
            taken_at_utc=at_utc,
        )
    )
    return token


def drop_lease(connection: Connection, run_id: str, token: str) -> None:
    """Let go of the lease; nothing happens when another process has taken it over."""
    connection.execute(delete(LEASES).where(LEASES.c.run_id == run_id, LEASES.c.token == token))


def abandoned_runs(connection: Connection) -> frozenset[str]:
    """Runs that are stored as running without a lease, or with that of a dead process."""
    query = (
        select(RUNS.c.run_id, LEASES.c.owner)
        .join(LEASES, LEASES.c.run_id == RUNS.c.run_id, isouter=True)
        .where(RUNS.c.state == RunState.RUNNING.value)
    )
    return frozenset(
        run_id
        for run_id, owner in connection.execute(query)
        if owner is None or is_dead(record_of(Owner, owner))
    )


class SqlRunWriter:
    """Writes one run while its token is the one in the lease."""

    def __init__(self, database: Database, run_id: str, token: str, clock: Clock) -> None:
        self._database = database
        self._run_id = run_id
        self._token = token
        self._clock = clock

    @property
    def run_id(self) -> str:
        return self._run_id

    def save_plan(self, plan: Plan) -> None:
        text = pack(plan)
        with self._database.writing() as connection:
            self._check_lease(connection)
            self._set(connection, plan=text)

    def move(self, before: RunState, after: RunState, *, detail: str | None = None) -> None:
        if after is RunState.FINISHED:
            raise StaleWrite(f"run {self._run_id} is finished by finish(), with a result")
        with self._database.writing() as connection:
            self._check_lease(connection)
            self._leave(connection, before, after)
            ended_at_utc = None if after is RunState.RUNNING else self._now()
            self._set(connection, state=after.value, detail=detail, ended_at_utc=ended_at_utc)

    def append(self, transition: TrialTransition) -> None:
        with self._database.writing() as connection:
            self._check_lease(connection)
            last = connection.execute(
                select(TRANSITIONS.c.after)
                .where(
                    TRANSITIONS.c.run_id == self._run_id,
                    TRANSITIONS.c.trial_id == transition.trial_id,
                )
                .order_by(TRANSITIONS.c.number.desc())
                .limit(1)
            ).scalar()
            if (last or TrialState.QUEUED) != transition.before:
                raise StaleWrite(f"trial {transition.trial_id} is {last}, not {transition.before}")
            connection.execute(
                insert(TRANSITIONS).values(
                    run_id=self._run_id,
                    trial_id=transition.trial_id,
                    before=transition.before.value,
                    event=transition.event,
                    after=transition.after.value,
                    cause=None if transition.cause is None else transition.cause.value,
                    at_utc=transition.at_utc,
                )
            )

    def save_trial(self, trial: TrialRecord) -> None:
        row = {
            "run_id": self._run_id,
            "trial_id": trial.trial_id,
            "variant_id": trial.variant.id,
            "cause": trial.cause.value,
            "record": pack(trial),
        }
        with self._database.writing() as connection:
            self._check_lease(connection)
            try:
                connection.execute(insert(TRIALS).values(row))
            except IntegrityError as error:
                raise StaleWrite(f"trial {trial.trial_id} is already stored") from error

    def finish(self, result: RunResult) -> None:
        text = pack(result)
        with self._database.writing() as connection:
            self._check_lease(connection)
            self._leave(connection, RunState.RUNNING, RunState.FINISHED)
            self._set(
                connection, state=RunState.FINISHED.value, result=text, ended_at_utc=self._now()
            )

    def _check_lease(self, connection: Connection) -> None:
        held = connection.execute(
            select(LEASES).where(LEASES.c.run_id == self._run_id)
        ).one_or_none()
        if held is None or held.token != self._token:
            owner = None if held is None else record_of(Owner, held.owner)
            raise _busy(self._run_id, owner, None if held is None else held.taken_at_utc)

    def _leave(self, connection: Connection, before: RunState, after: RunState) -> None:
        found = connection.execute(select(RUNS.c.state).where(RUNS.c.run_id == self._run_id))
        state = found.scalar_one()
        if state != before or after not in RUN_MOVES[before]:
            raise StaleWrite(f"run {self._run_id} is {state}: not from {before} to {after}")

    def _set(self, connection: Connection, **columns: str | None) -> None:
        connection.execute(update(RUNS).where(RUNS.c.run_id == self._run_id).values(columns))

    def _now(self) -> str:
        return self._clock.utc_now().isoformat(timespec="seconds")


def _busy(run_id: str, owner: Owner | None, since_utc: str | None) -> CapacityError:
    if owner is None:
        who = "another process took the run over and has let go of it again"
    else:
        who = f"process {owner.pid} on {owner.host!r} has held it since {since_utc}"
    return CapacityError(
        Code.RUN_BUSY,
        f"run {run_id} is being worked on by another process",
        why=who,
        fix=f"wait for it, or stop it with `paceline runs cancel {run_id}`",
    )
