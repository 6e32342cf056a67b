"""The Store port on SQL."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from paceline.adapters.stores.sql.access import SqlAccess
from paceline.adapters.stores.sql.audit import append
from paceline.adapters.stores.sql.database import Database
from paceline.adapters.stores.sql.deployments import SqlDeployments
from paceline.adapters.stores.sql.rows import event_of, record_of, run_of, transition_of
from paceline.adapters.stores.sql.tables import (
    EVENTS,
    FAILURES,
    PIPELINES,
    RUNS,
    TRANSITIONS,
    TRIALS,
    VERSIONS,
)
from paceline.adapters.stores.sql.writer import SqlRunWriter, abandoned_runs, drop_lease, take_lease
from paceline.clock import Clock, SystemClock
from paceline.errors import Code, SpecError
from paceline.ports.store import RunWriter, StaleWrite
from paceline.records.audit import LOCAL, AuditKind
from paceline.records.run import AuditEvent, RunRecord, RunState, TrialTransition
from paceline.records.serial import pack
from paceline.records.trial import TrialRecord
from paceline.records.version import FailureFact, Pipeline, Version

NEAREST_SHOWN = 5


class SqlStore:
    """Everything in a SQLite file, or in a PostgreSQL database by its URL.

    Its tables are made or brought up to date on opening. Raises SetupError when it cannot be used.
    """

    def __init__(self, where: Path | str, *, clock: Clock | None = None) -> None:
        self._database = Database(where)
        self._clock = clock or SystemClock()
        self._deployments = SqlDeployments(self._database)
        self._access = SqlAccess(self._database)

    @property
    def deployments(self) -> SqlDeployments:
        return self._deployments

    @property
    def access(self) -> SqlAccess:
        return self._access

    def close(self) -> None:
        self._database.close()

    def create_run(self, run: RunRecord) -> None:
        row = {
            "run_id": run.run_id,
            "pipeline": run.request.pipeline,
            "state": run.state.value,
            "record": pack(replace(run, plan=None, result=None)),
            "plan": None if run.plan is None else pack(run.plan),
            "result": None if run.result is None else pack(run.result),
            "ended_at_utc": run.ended_at_utc,
            "detail": run.detail,
            "workspace": run.workspace,
        }
        with self._database.writing() as connection:
            try:
                connection.execute(insert(RUNS).values(row))
            except IntegrityError as error:
                raise StaleWrite(f"run {run.run_id} is already stored") from error

    def run(self, run_id: str) -> RunRecord:
        with self._database.reading() as connection:
            return run_of(
                connection.execute(
                    select(RUNS).where(RUNS.c.run_id == _full_id(connection, run_id))
                ).one()
            )

    def runs(self, *, limit: int | None = None) -> tuple[RunRecord, ...]:
        query = select(RUNS).order_by(RUNS.c.run_id.desc()).limit(limit)
        with self._database.reading() as connection:
            return tuple(run_of(row) for row in connection.execute(query))

    def run_states(self, workspace: str) -> Mapping[str, RunState]:
        query = (
            select(RUNS.c.run_id, RUNS.c.state)
            .where(RUNS.c.workspace == workspace)
            .order_by(RUNS.c.run_id)
        )
        with self._database.reading() as connection:
            return {row.run_id: RunState(row.state) for row in connection.execute(query)}

    def trials(self, run_id: str) -> tuple[TrialRecord, ...]:
        query = select(TRIALS.c.record).where(TRIALS.c.run_id == run_id).order_by(TRIALS.c.number)
        with self._database.reading() as connection:
            return tuple(record_of(TrialRecord, row.record) for row in connection.execute(query))

    def transitions(self, run_id: str) -> tuple[TrialTransition, ...]:
        query = (
            select(TRANSITIONS).where(TRANSITIONS.c.run_id == run_id).order_by(TRANSITIONS.c.number)
        )
        with self._database.reading() as connection:
            return tuple(transition_of(row) for row in connection.execute(query))

    def abandoned(self) -> frozenset[str]:
        with self._database.reading() as connection:
            return abandoned_runs(connection)

    @contextmanager
    def write_run(self, run_id: str, *, take_over: bool = False) -> Iterator[RunWriter]:
        with self._database.writing() as connection:
            run_id = _full_id(connection, run_id)
            now = self._clock.utc_now().isoformat(timespec="seconds")
            token = take_lease(connection, run_id, take_over=take_over, at_utc=now)
        try:
            yield SqlRunWriter(self._database, run_id, token, self._clock)
        finally:
            with self._database.writing() as connection:
                drop_lease(connection, run_id, token)

    def add_version(self, version: Version) -> Version:
        with self._database.writing() as connection:
            stored = connection.execute(
                select(VERSIONS.c.record).where(
                    VERSIONS.c.pipeline == version.pipeline, VERSIONS.c.run_id == version.run_id
                )
            ).scalar()
            if stored is not None:
                return record_of(Version, stored)
            numbered = replace(version, number=_versions_of(connection, version.pipeline) + 1)
            _point(connection, numbered)
            connection.execute(
                insert(VERSIONS).values(
                    pipeline=numbered.pipeline,
                    number=numbered.number,
                    run_id=numbered.run_id,
                    receipt_sha256=numbered.receipt_sha256,
                    record=pack(numbered),
                )
            )
        return numbered

    def pipelines(self) -> tuple[Pipeline, ...]:
        query = (
            select(PIPELINES.c.name, PIPELINES.c.current, func.count().label("versions"))
            .join(VERSIONS, VERSIONS.c.pipeline == PIPELINES.c.name)
            .group_by(PIPELINES.c.name, PIPELINES.c.current)
            .order_by(PIPELINES.c.name)
        )
        with self._database.reading() as connection:
            return tuple(
                Pipeline(name=row.name, current=row.current, versions=row.versions)
                for row in connection.execute(query)
            )

    def versions(self, pipeline: str) -> tuple[Version, ...]:
        query = (
            select(VERSIONS.c.record)
            .where(VERSIONS.c.pipeline == pipeline)
            .order_by(VERSIONS.c.number)
        )
        with self._database.reading() as connection:
            found = tuple(record_of(Version, row.record) for row in connection.execute(query))
            if not found:
                raise _no_pipeline(connection, pipeline)
            return found

    def rollback(self, pipeline: str, number: int, *, at_utc: str, actor: str = LOCAL) -> Version:
        versions = self.versions(pipeline)
        target = next((version for version in versions if version.number == number), None)
        if target is None:
            raise SpecError(
                Code.UNKNOWN_NAME,
                f"pipeline {pipeline!r} has no version {number}",
                why=f"it has versions 1 to {len(versions)}",
                fix=f"paceline versions {pipeline}",
            )
        with self._database.writing() as connection:
            before = connection.execute(
                select(PIPELINES.c.current).where(PIPELINES.c.name == pipeline)
            ).scalar_one()
            _point(connection, target)
            event = AuditEvent(
                at_utc=at_utc,
                kind=AuditKind.ROLLED_BACK.value,
                detail=f"current version {before} -> {number}",
                pipeline=pipeline,
                actor=actor,
            )
            append(connection, [event])
        return target

    def add_failure(self, fact: FailureFact) -> None:
        same = {
            "model_sha256": fact.model_sha256,
            "engine_version": fact.engine_version,
            "variant_id": fact.variant.id,
        }
        with self._database.writing() as connection:
            connection.execute(delete(FAILURES).filter_by(**same))
            connection.execute(insert(FAILURES).values(**same, record=pack(fact)))

    def failures(self, model_sha256: str) -> tuple[FailureFact, ...]:
        query = (
            select(FAILURES.c.record)
            .where(FAILURES.c.model_sha256 == model_sha256)
            .order_by(FAILURES.c.number)
        )
        with self._database.reading() as connection:
            return tuple(record_of(FailureFact, row.record) for row in connection.execute(query))

    def note(self, event: AuditEvent) -> None:
        with self._database.writing() as connection:
            append(connection, [event])

    def events(
        self, *, run_id: str | None = None, after: int = 0, since_utc: str = ""
    ) -> tuple[AuditEvent, ...]:
        query = (
            select(EVENTS)
            .where(EVENTS.c.number > after, EVENTS.c.at_utc >= since_utc)
            .order_by(EVENTS.c.number)
        )
        if run_id is not None:
            query = query.where(EVENTS.c.run_id == run_id)
        with self._database.reading() as connection:
            return tuple(event_of(row) for row in connection.execute(query))


def _full_id(connection: Connection, run_id: str) -> str:
    """The run that is called so or, alone among all, begins so."""
    query = (
        select(RUNS.c.run_id)
        .where(RUNS.c.run_id.startswith(run_id, autoescape=True))
        .order_by(RUNS.c.run_id.desc())
    )
    found = list(connection.execute(query).scalars())
    if run_id in found:
        return run_id
    if len(found) == 1:
        return str(found[0])
    if found:
        shown = ", ".join(found[:NEAREST_SHOWN])
        raise SpecError(
            Code.UNKNOWN_NAME,
            f"{len(found)} runs begin with {run_id!r}",
            why=f"they are {shown}{', …' if len(found) > NEAREST_SHOWN else ''}",
            fix="give more of the name",
        )
    latest = connection.execute(select(func.max(RUNS.c.run_id))).scalar()
    raise SpecError(
        Code.UNKNOWN_NAME,
        f"no run is called {run_id!r}",
        why=f"the latest run is {latest}" if latest else "no run is stored here",
        fix="paceline runs list" if latest else "start one: paceline optimize MODEL",
    )


def _versions_of(connection: Connection, pipeline: str) -> int:
    query = select(func.max(VERSIONS.c.number)).where(VERSIONS.c.pipeline == pipeline)
    return int(connection.execute(query).scalar() or 0)


def _point(connection: Connection, version: Version) -> None:
    """Make a version the current one of its pipeline, which the first version brings along."""
    moved = connection.execute(
        update(PIPELINES).where(PIPELINES.c.name == version.pipeline).values(current=version.number)
    )
    if not moved.rowcount:
        connection.execute(insert(PIPELINES).values(name=version.pipeline, current=version.number))


def _no_pipeline(connection: Connection, name: str) -> SpecError:
    known = list(connection.execute(select(PIPELINES.c.name).order_by(PIPELINES.c.name)).scalars())
    return SpecError(
        Code.UNKNOWN_NAME,
        f"no pipeline is called {name!r}",
        why=f"known: {', '.join(known)}" if known else "no run has left a version yet",
        fix="name one of them" if known else f"paceline optimize MODEL --pipeline {name}",
    )
