"""The Deployments port on SQL."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from paceline.adapters.stores.sql.audit import append
from paceline.adapters.stores.sql.database import Database
from paceline.adapters.stores.sql.rows import record_of
from paceline.adapters.stores.sql.tables import (
    ENDPOINT_LOG,
    ENDPOINTS,
    POLICIES,
    REPLICA_STEPS,
    REPLICAS,
)
from paceline.errors import Code, SpecError
from paceline.ports.store import StaleWrite
from paceline.records.deployment import (
    DeployedPolicy,
    Endpoint,
    EndpointStatus,
    LogLine,
    ReplicaRecord,
    ReplicaState,
    ReplicaStep,
    check_names,
    policy_of,
)
from paceline.records.run import AuditEvent
from paceline.records.serial import pack


class SqlDeployments:
    """Endpoints, replicas and their log in the store's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_endpoint(
        self,
        endpoint: Endpoint,
        *,
        expected: int | None = None,
        notes: Sequence[AuditEvent] = (),
    ) -> Endpoint:
        with self._database.writing() as connection:
            stored = connection.execute(
                select(ENDPOINTS).where(ENDPOINTS.c.name == endpoint.name)
            ).one_or_none()
            last = 0 if stored is None else stored.revision
            current = 0 if stored is None or stored.record is None else last
            if expected is not None and expected != current:
                raise StaleWrite(f"endpoint {endpoint.name} is at {current}, not at {expected}")
            check_names(endpoint, _wanted(connection))
            placed = replace(endpoint, revision=last + 1)
            row = {
                "pipeline": placed.pipeline,
                "revision": placed.revision,
                "record": pack(placed),
            }
            if stored is None:
                connection.execute(insert(ENDPOINTS).values(name=placed.name, **row))
            else:
                connection.execute(
                    update(ENDPOINTS).where(ENDPOINTS.c.name == placed.name).values(**row)
                )
            _keep_policy(connection, policy_of(placed))
            append(connection, notes)
        return placed

    def endpoint(self, name: str) -> Endpoint:
        found = next((one for one in self.endpoints() if one.name == name), None)
        if found is None:
            raise self._unknown(name)
        return found

    def endpoints(self) -> tuple[Endpoint, ...]:
        with self._database.reading() as connection:
            return _wanted(connection)

    def policies_of(self, pipeline: str) -> tuple[DeployedPolicy, ...]:
        query = select(POLICIES.c.record).where(POLICIES.c.pipeline == pipeline)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(POLICIES.c.number))
            return tuple(record_of(DeployedPolicy, row.record) for row in rows)

    def remove_endpoint(self, name: str, *, notes: Sequence[AuditEvent] = ()) -> None:
        with self._database.writing() as connection:
            removed = connection.execute(
                update(ENDPOINTS)
                .where(ENDPOINTS.c.name == name, ENDPOINTS.c.record.is_not(None))
                .values(record=None, status=None)
            )
            if removed.rowcount:
                append(connection, notes)
        if not removed.rowcount:
            raise self._unknown(name)

    def save_status(self, status: EndpointStatus) -> None:
        with self._database.writing() as connection:
            connection.execute(
                update(ENDPOINTS)
                .where(ENDPOINTS.c.name == status.name, ENDPOINTS.c.record.is_not(None))
                .values(status=pack(status))
            )

    def status(self, name: str) -> EndpointStatus | None:
        with self._database.reading() as connection:
            text = connection.execute(
                select(ENDPOINTS.c.status).where(ENDPOINTS.c.name == name)
            ).scalar()
        return None if text is None else record_of(EndpointStatus, text)

    def add_replica(self, replica: ReplicaRecord) -> None:
        row = {
            "replica_id": replica.replica_id,
            "endpoint": replica.endpoint,
            "pipeline": replica.pipeline,
            "version": replica.version,
            "state": replica.state.value,
            "record": pack(replica),
        }
        with self._database.writing() as connection:
            try:
                connection.execute(insert(REPLICAS).values(row))
            except IntegrityError as error:
                raise StaleWrite(f"replica {replica.replica_id} is already stored") from error

    def move_replica(self, step: ReplicaStep, replica: ReplicaRecord) -> None:
        with self._database.writing() as connection:
            moved = connection.execute(
                update(REPLICAS)
                .where(
                    REPLICAS.c.replica_id == step.replica_id, REPLICAS.c.state == step.before.value
                )
                .values(state=step.after.value, record=pack(replica))
            )
            if not moved.rowcount:
                raise StaleWrite(f"replica {step.replica_id} is not {step.before}")
            connection.execute(
                insert(REPLICA_STEPS).values(replica_id=step.replica_id, record=pack(step))
            )

    def replicas(
        self,
        *,
        endpoint: str | None = None,
        pipeline: str | None = None,
        version: int | None = None,
        live: bool = False,
        limit: int | None = None,
    ) -> tuple[ReplicaRecord, ...]:
        query = select(REPLICAS.c.record).order_by(REPLICAS.c.number.desc()).limit(limit)
        if endpoint is not None:
            query = query.where(REPLICAS.c.endpoint == endpoint)
        if pipeline is not None:
            query = query.where(REPLICAS.c.pipeline == pipeline)
        if version is not None:
            query = query.where(REPLICAS.c.version == version)
        if live:
            query = query.where(REPLICAS.c.state != ReplicaState.ENDED.value)
        with self._database.reading() as connection:
            return tuple(record_of(ReplicaRecord, row.record) for row in connection.execute(query))

    def replica_steps(self, replica_id: str) -> tuple[ReplicaStep, ...]:
        query = (
            select(REPLICA_STEPS.c.record)
            .where(REPLICA_STEPS.c.replica_id == replica_id)
            .order_by(REPLICA_STEPS.c.number)
        )
        with self._database.reading() as connection:
            return tuple(record_of(ReplicaStep, row.record) for row in connection.execute(query))

    def log(self, line: LogLine, *, notes: Sequence[AuditEvent] = ()) -> None:
        with self._database.writing() as connection:
            connection.execute(
                insert(ENDPOINT_LOG).values(endpoint=line.endpoint, record=pack(line))
            )
            append(connection, notes)

    def log_of(
        self, endpoint: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[LogLine, ...]:
        query = (
            select(ENDPOINT_LOG)
            .where(ENDPOINT_LOG.c.endpoint == endpoint, ENDPOINT_LOG.c.number > after)
            .order_by(ENDPOINT_LOG.c.number.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            latest = [
                replace(record_of(LogLine, row.record), number=row.number)
                for row in connection.execute(query)
            ]
        return tuple(reversed(latest))

    def _unknown(self, name: str) -> SpecError:
        known = ", ".join(one.name for one in self.endpoints())
        return SpecError(
            Code.UNKNOWN_NAME,
            f"no endpoint is called {name!r}",
            why=f"known: {known}" if known else "nothing is deployed yet",
            fix="paceline endpoints",
        )


def _wanted(connection: Connection) -> tuple[Endpoint, ...]:
    """By name; a removed one has no record."""
    query = (
        select(ENDPOINTS.c.record).where(ENDPOINTS.c.record.is_not(None)).order_by(ENDPOINTS.c.name)
    )
    return tuple(record_of(Endpoint, row.record) for row in connection.execute(query))


def _keep_policy(connection: Connection, deployed: DeployedPolicy) -> None:
    """Unless the version was deployed with the same to this endpoint when it last was."""
    same = {
        "pipeline": deployed.pipeline,
        "version": deployed.version,
        "endpoint": deployed.endpoint,
    }
    last = connection.execute(
        select(POLICIES.c.record).filter_by(**same).order_by(POLICIES.c.number.desc()).limit(1)
    ).scalar()
    if last is None or record_of(DeployedPolicy, last).policy != deployed.policy:
        connection.execute(insert(POLICIES).values(**same, record=pack(deployed)))
