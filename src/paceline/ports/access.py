"""The Access port: keys, workspaces, and the account of what was used with them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from paceline.records.access import ApiKey, Workspace
from paceline.records.run import AuditEvent
from paceline.records.usage import (
    PricedLine,
    ReplicaShare,
    SpoolPosition,
    UsageBy,
    UsageTotal,
)


class Access(Protocol):
    """Keys and usage. Errors and durability are those of `ports.store`.

    `notes` go to the audit trail with the change, both or neither.
    """

    def add_key(self, key: ApiKey, *, notes: Sequence[AuditEvent] = ()) -> None:
        """Store a new key. Raises StaleWrite when its id or digest is taken."""
        ...

    def stored_keys(self, *, workspace: str | None = None) -> tuple[ApiKey, ...]:
        """All of them, expired and revoked ones included, oldest first."""
        ...

    def end_key(
        self,
        key_id: str,
        *,
        expires_at_utc: str | None = None,
        revoked_at_utc: str | None = None,
        notes: Sequence[AuditEvent] = (),
    ) -> ApiKey:
        """Let a key expire at a time, or revoke it; what is not given stays.

        Raises SpecError for a key that does not exist.
        """
        ...

    def put_workspace(self, workspace: Workspace, *, notes: Sequence[AuditEvent] = ()) -> None:
        """Store what a workspace may use, in place of what was stored of it."""
        ...

    def workspaces(self) -> tuple[Workspace, ...]:
        """Those that were stored, by name; others have no limits of their own."""
        ...

    def position(self, spool: str) -> SpoolPosition:
        """How far the spool of this name is accounted for."""
        ...

    def account(self, spool: str, lines: Sequence[PricedLine], position: SpoolPosition) -> None:
        """Add lines and remember how far the spool was read, both or neither.

        A line that ended takes the place of the one that began it.
        """
        ...

    def usage(
        self, *, by: UsageBy, since_s: float = 0.0, until_s: float | None = None
    ) -> tuple[UsageTotal, ...]:
        """Sums of the requests that arrived in the time (seconds since 1970), by group."""
        ...

    def replica_shares(
        self, *, by: UsageBy, since_s: float = 0.0, until_s: float | None = None
    ) -> tuple[ReplicaShare, ...]:
        """Of the same requests, by group and replica: what they had of the replica's time.

        Without those that have no share, see `deploy.shares`.
        """
        ...

    def spent_usd(self, *, by: UsageBy, since_s: float) -> Mapping[str, float]:
        """What each group (key, workspace, …) has cost since then; those without a request, and
        requests without a key, are not in it.
        """
        ...
