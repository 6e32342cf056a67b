"""The Deployments port: endpoints as they are wanted and seen, replicas, and their log.

Commands write what is wanted; the one process that serves writes everything else. Failures are
those of the Store port. `notes` go to the audit trail with the change, both or neither.
"""

from collections.abc import Sequence
from typing import Protocol

from paceline.records.deployment import (
    DeployedPolicy,
    Endpoint,
    EndpointStatus,
    LogLine,
    ReplicaRecord,
    ReplicaStep,
)
from paceline.records.run import AuditEvent


class Deployments(Protocol):
    """What is kept of endpoints."""

    def put_endpoint(
        self,
        endpoint: Endpoint,
        *,
        expected: int | None = None,
        notes: Sequence[AuditEvent] = (),
    ) -> Endpoint:
        """Store what is wanted, under a `revision` above every earlier one of this name.

        Its policy is kept with its version, see `policies_of`. With `expected`, raises StaleWrite
        unless that is the revision stored now (0: none is).
        Raises SpecError when a name of it leads to another endpoint (`check_names`).
        """
        ...

    def endpoint(self, name: str) -> Endpoint:
        """One endpoint. Raises SpecError (`unknown-name`)."""
        ...

    def endpoints(self) -> tuple[Endpoint, ...]:
        """By name."""
        ...

    def policies_of(self, pipeline: str) -> tuple[DeployedPolicy, ...]:
        """Every policy that a version of the pipeline was deployed with, oldest first.

        One is added when it differs from the last of the same version and endpoint; all stay, also
        of endpoints that were removed.
        """
        ...

    def remove_endpoint(self, name: str, *, notes: Sequence[AuditEvent] = ()) -> None:
        """No longer want it; its replicas and its log stay on record. Raises SpecError."""
        ...

    def save_status(self, status: EndpointStatus) -> None:
        """Replace what is seen of an endpoint; nothing happens when it was removed."""
        ...

    def status(self, name: str) -> EndpointStatus | None:
        """What was last seen, `None` when nothing ever served it."""
        ...

    def add_replica(self, replica: ReplicaRecord) -> None:
        """Store a new replica. Raises StaleWrite when its id is taken."""
        ...

    def move_replica(self, step: ReplicaStep, replica: ReplicaRecord) -> None:
        """Store a transition with what the replica is after it.

        Raises StaleWrite when the replica's stored state is not `step.before`.
        """
        ...

    def replicas(
        self,
        *,
        endpoint: str | None = None,
        pipeline: str | None = None,
        version: int | None = None,
        live: bool = False,
        limit: int | None = None,
    ) -> tuple[ReplicaRecord, ...]:
        """Latest first; with `live`, those that have not ended."""
        ...

    def replica_steps(self, replica_id: str) -> tuple[ReplicaStep, ...]:
        """Every transition, in order."""
        ...

    def log(self, line: LogLine, *, notes: Sequence[AuditEvent] = ()) -> None:
        """Append to an endpoint's log."""
        ...

    def log_of(
        self, endpoint: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[LogLine, ...]:
        """Lines whose number is above `after`, in order; the latest `limit` of them."""
        ...
