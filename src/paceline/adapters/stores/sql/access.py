"""The Access port on SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Text, case, cast, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from paceline.adapters.stores.sql.audit import append
from paceline.adapters.stores.sql.database import Database
from paceline.adapters.stores.sql.rows import record_of
from paceline.adapters.stores.sql.tables import KEYS, SPOOLS, USAGE, WORKSPACES
from paceline.errors import Code, SpecError
from paceline.ports.store import StaleWrite
from paceline.records.access import ApiKey, Workspace
from paceline.records.gateway import Ended, UsageLine
from paceline.records.run import AuditEvent
from paceline.records.serial import pack
from paceline.records.usage import (
    NOBODY,
    PricedLine,
    ReplicaShare,
    SpoolPosition,
    UsageBy,
    UsageTotal,
)

GROUPS = {
    UsageBy.ENDPOINT: USAGE.c.endpoint,
    UsageBy.KEY: func.coalesce(USAGE.c.key_id, NOBODY),
    UsageBy.VERSION: USAGE.c.endpoint + "@" + cast(USAGE.c.version, Text),
    UsageBy.WORKSPACE: USAGE.c.workspace,
    UsageBy.DAY: USAGE.c.day,
    UsageBy.REQUEST: USAGE.c.request_id,
}
SUMMED = ("input_tokens", "output_tokens", "images", "queue_s", "cold_s", "execution_s", "usd")


class SqlAccess:
    """Keys and usage in the store's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_key(self, key: ApiKey, *, notes: Sequence[AuditEvent] = ()) -> None:
        row = {
            "key_id": key.key_id,
            "digest": key.digest,
            "workspace": key.workspace,
            "record": pack(key),
        }
        with self._database.writing() as connection:
            try:
                connection.execute(insert(KEYS).values(row))
            except IntegrityError as error:
                raise StaleWrite(f"key {key.key_id} is already stored") from error
            append(connection, notes)

    def stored_keys(self, *, workspace: str | None = None) -> tuple[ApiKey, ...]:
        query = select(KEYS.c.record).order_by(KEYS.c.number)
        if workspace is not None:
            query = query.where(KEYS.c.workspace == workspace)
        with self._database.reading() as connection:
            return tuple(record_of(ApiKey, row.record) for row in connection.execute(query))

    def end_key(
        self,
        key_id: str,
        *,
        expires_at_utc: str | None = None,
        revoked_at_utc: str | None = None,
        notes: Sequence[AuditEvent] = (),
    ) -> ApiKey:
        with self._database.writing() as connection:
            text = connection.execute(
                select(KEYS.c.record).where(KEYS.c.key_id == key_id)
            ).scalar_one_or_none()
            if text is None:
                raise _unknown(connection, key_id)
            key = record_of(ApiKey, text)
            ended = replace(
                key,
                expires_at_utc=expires_at_utc or key.expires_at_utc,
                revoked_at_utc=revoked_at_utc or key.revoked_at_utc,
            )
            connection.execute(
                update(KEYS).where(KEYS.c.key_id == key_id).values(record=pack(ended))
            )
            append(connection, notes)
        return ended

    def put_workspace(self, workspace: Workspace, *, notes: Sequence[AuditEvent] = ()) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(WORKSPACES).where(WORKSPACES.c.name == workspace.name))
            connection.execute(
                insert(WORKSPACES).values(name=workspace.name, record=pack(workspace))
            )
            append(connection, notes)

    def workspaces(self) -> tuple[Workspace, ...]:
        query = select(WORKSPACES.c.record).order_by(WORKSPACES.c.name)
        with self._database.reading() as connection:
            return tuple(record_of(Workspace, row.record) for row in connection.execute(query))

    def position(self, spool: str) -> SpoolPosition:
        with self._database.reading() as connection:
            row = connection.execute(select(SPOOLS).where(SPOOLS.c.name == spool)).one_or_none()
        return SpoolPosition() if row is None else SpoolPosition(file=row.file, offset=row.position)

    def account(self, spool: str, lines: Sequence[PricedLine], position: SpoolPosition) -> None:
        with self._database.writing() as connection:
            for line in lines:
                _add(connection, line)
            connection.execute(delete(SPOOLS).where(SPOOLS.c.name == spool))
            connection.execute(
                insert(SPOOLS).values(name=spool, file=position.file, position=position.offset)
            )

    def usage(
        self, *, by: UsageBy, since_s: float = 0.0, until_s: float | None = None
    ) -> tuple[UsageTotal, ...]:
        group = GROUPS[by].label("grouped")
        counts = [
            func.sum(case((USAGE.c.ended == end.value, 1), else_=0)).label(end.value)
            for end in Ended
        ]
        sums = [func.sum(USAGE.c[name]).label(name) for name in SUMMED]
        ttft = func.avg(USAGE.c.ttft_s).label("ttft_mean_s")  # of those that have one
        query = (
            select(group, func.count().label("requests"), ttft, *counts, *sums)
            .where(USAGE.c.at_s >= since_s)
            .group_by(group)
            .order_by(group)
        )
        if until_s is not None:
            query = query.where(USAGE.c.at_s < until_s)
        with self._database.reading() as connection:
            return tuple(
                UsageTotal(
                    group=row.grouped,
                    requests=row.requests,
                    ok=row.ok,
                    aborted=row.aborted,
                    failed=row.failed,
                    rejected=row.rejected,
                    refused=row.refused,
                    unknown=row.began,
                    ttft_mean_s=row.ttft_mean_s,
                    **{name: getattr(row, name) for name in SUMMED},
                )
                for row in connection.execute(query)
            )

    def replica_shares(
        self, *, by: UsageBy, since_s: float = 0.0, until_s: float | None = None
    ) -> tuple[ReplicaShare, ...]:
        group, replica_id = GROUPS[by].label("grouped"), USAGE.c.replica_id
        query = (
            select(group, replica_id, func.sum(USAGE.c.replica_s).label("replica_s"))
            .where(USAGE.c.at_s >= since_s, USAGE.c.replica_s.is_not(None))
            .group_by(group, replica_id)
            .order_by(group, replica_id)
        )
        if until_s is not None:
            query = query.where(USAGE.c.at_s < until_s)
        with self._database.reading() as connection:
            return tuple(
                ReplicaShare(group=row.grouped, replica_id=row.replica_id, replica_s=row.replica_s)
                for row in connection.execute(query)
            )

    def spent_usd(self, *, by: UsageBy, since_s: float) -> Mapping[str, float]:
        group = GROUPS[by].label("grouped")
        query = (
            select(group, func.sum(USAGE.c.usd).label("usd"))
            .where(USAGE.c.at_s >= since_s)
            .group_by(group)
        )
        with self._database.reading() as connection:
            found = {row.grouped: row.usd for row in connection.execute(query)}
        found.pop(NOBODY, None)
        return found


def _add(connection: Connection, priced: PricedLine) -> None:
    """Insert a line, or complete the oldest that began under this id: clients may repeat ids."""
    line, row = priced.line, _row_of(priced)
    if line.ended is not Ended.BEGAN:
        began = (
            select(func.min(USAGE.c.number))
            .where(USAGE.c.ended == Ended.BEGAN.value, USAGE.c.request_id == line.request_id)
            .scalar_subquery()
        )
        found = connection.execute(update(USAGE).where(USAGE.c.number == began).values(row))
        if found.rowcount:
            return
    connection.execute(insert(USAGE).values(row))


def _row_of(priced: PricedLine) -> dict[str, str | int | float | None]:
    line: UsageLine = priced.line
    return {
        "request_id": line.request_id,
        "at_s": line.at_s,
        "day": datetime.fromtimestamp(line.at_s, UTC).date().isoformat(),
        "workspace": line.workspace,
        "endpoint": line.endpoint,
        "version": line.version,
        "replica_id": line.replica_id,
        "key_id": line.key_id,
        "route": line.route,
        "status": line.status,
        "ended": line.ended.value,
        "queue_s": line.queue_s,
        "cold_s": line.cold_s,
        "execution_s": line.execution_s,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "images": line.images,
        "usd": priced.usd,
        "replica_s": priced.replica_s,
        "ttft_s": line.ttft_s,
    }


def _unknown(connection: Connection, key_id: str) -> SpecError:
    known = list(connection.execute(select(KEYS.c.key_id).order_by(KEYS.c.number)).scalars())
    return SpecError(
        Code.UNKNOWN_NAME,
        f"no key is called {key_id!r}",
        why=f"known: {', '.join(known)}" if known else "no key was made yet",
        fix="paceline keys list",
    )
