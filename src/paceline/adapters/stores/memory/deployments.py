"""The Deployments port in this process's memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

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


class MemoryDeployments:
    """Everything in lists; gone with the process."""

    def __init__(self, note: Callable[[AuditEvent], None]) -> None:
        self._note = note
        self._endpoints: dict[str, Endpoint] = {}
        self._revisions: dict[str, int] = {}
        self._policies: list[DeployedPolicy] = []
        self._statuses: dict[str, EndpointStatus] = {}
        self._replicas: dict[str, ReplicaRecord] = {}
        self._steps: list[ReplicaStep] = []
        self._lines: list[LogLine] = []

    def put_endpoint(
        self,
        endpoint: Endpoint,
        *,
        expected: int | None = None,
        notes: Sequence[AuditEvent] = (),
    ) -> Endpoint:
        stored = self._endpoints.get(endpoint.name)
        current = 0 if stored is None else stored.revision
        if expected is not None and expected != current:
            raise StaleWrite(f"endpoint {endpoint.name} is at {current}, not at {expected}")
        check_names(endpoint, self._endpoints.values())
        revision = self._revisions.get(endpoint.name, 0) + 1
        placed = replace(endpoint, revision=revision)
        self._revisions[endpoint.name] = revision
        self._endpoints[endpoint.name] = placed
        self._keep_policy(placed)
        self._note_all(notes)
        return placed

    def endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            raise self._unknown(name)
        return self._endpoints[name]

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self._endpoints[name] for name in sorted(self._endpoints))

    def policies_of(self, pipeline: str) -> tuple[DeployedPolicy, ...]:
        return tuple(one for one in self._policies if one.pipeline == pipeline)

    def remove_endpoint(self, name: str, *, notes: Sequence[AuditEvent] = ()) -> None:
        if self._endpoints.pop(name, None) is None:
            raise self._unknown(name)
        self._statuses.pop(name, None)
        self._note_all(notes)

    def save_status(self, status: EndpointStatus) -> None:
        if status.name in self._endpoints:
            self._statuses[status.name] = status

    def status(self, name: str) -> EndpointStatus | None:
        return self._statuses.get(name)

    def add_replica(self, replica: ReplicaRecord) -> None:
        if replica.replica_id in self._replicas:
            raise StaleWrite(f"replica {replica.replica_id} is already stored")
        self._replicas[replica.replica_id] = replica

    def move_replica(self, step: ReplicaStep, replica: ReplicaRecord) -> None:
        stored = self._replicas.get(step.replica_id)
        if stored is None or stored.state is not step.before:
            raise StaleWrite(f"replica {step.replica_id} is not {step.before}")
        self._replicas[step.replica_id] = replica
        self._steps.append(step)

    def replicas(
        self,
        *,
        endpoint: str | None = None,
        pipeline: str | None = None,
        version: int | None = None,
        live: bool = False,
        limit: int | None = None,
    ) -> tuple[ReplicaRecord, ...]:
        found = [
            replica
            for replica in reversed(self._replicas.values())
            if endpoint in (None, replica.endpoint)
            and pipeline in (None, replica.pipeline)
            and version in (None, replica.version)
            and not (live and replica.state is ReplicaState.ENDED)
        ]
        return tuple(found[:limit])

    def replica_steps(self, replica_id: str) -> tuple[ReplicaStep, ...]:
        return tuple(step for step in self._steps if step.replica_id == replica_id)

    def log(self, line: LogLine, *, notes: Sequence[AuditEvent] = ()) -> None:
        self._lines.append(replace(line, number=len(self._lines) + 1))
        self._note_all(notes)

    def log_of(
        self, endpoint: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[LogLine, ...]:
        found = [line for line in self._lines[after:] if line.endpoint == endpoint]
        return tuple(found[-limit:] if limit else found)

    def _keep_policy(self, placed: Endpoint) -> None:
        same = (placed.pipeline, placed.version, placed.name)
        earlier = [p for p in self._policies if (p.pipeline, p.version, p.endpoint) == same]
        if not earlier or earlier[-1].policy != placed.policy:
            self._policies.append(policy_of(placed))

    def _note_all(self, notes: Sequence[AuditEvent]) -> None:
        for note in notes:
            self._note(note)

    def _unknown(self, name: str) -> SpecError:
        known = ", ".join(sorted(self._endpoints))
        return SpecError(
            Code.UNKNOWN_NAME,
            f"no endpoint is called {name!r}",
            why=f"known: {known}" if known else "nothing is deployed yet",
            fix="paceline endpoints",
        )
