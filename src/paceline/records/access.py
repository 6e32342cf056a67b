"""Keys to endpoints and to the management API, workspaces, and what both may use."""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What a key is for; one is never accepted in place of the other."""

    INFERENCE = "inference"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseLimits:
    """What a key, or a workspace with all its keys, may use; `None` does not apply.

    The month of the budget is the calendar's, UTC.
    """

    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrency: int | None = None
    budget_usd_per_month: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuota:
    """What a workspace may optimize; `None` does not apply.

    Runs count in the calendar's month (UTC) in which they began; those that failed do not. With
    `overage` a run above `runs_per_month` is made all the same, and counted as that. Variants on
    other `accelerators` or in other `formats` are above its tier; the baseline's format never is.
    """

    runs_per_month: int | None = None
    concurrent_runs: int | None = None
    overage: bool = False
    accelerators: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept: never the key itself, only the SHA-256 of it in hex.

    `endpoints` `None` is every endpoint of the workspace. `replaces` is the key that a rotation
    put it in the place of. Times are ISO 8601 in UTC.
    """

    key_id: str
    name: str
    digest: str
    purpose: Purpose
    workspace: str
    created_at_utc: str
    endpoints: tuple[str, ...] | None = None
    limits: UseLimits = UseLimits()
    expires_at_utc: str | None = None
    revoked_at_utc: str | None = None
    replaces: str | None = None

    def valid_at(self, at_utc: str) -> bool:
        """Whether it opens anything at that moment."""
        return self.revoked_at_utc is None and (
            self.expires_at_utc is None or at_utc < self.expires_at_utc
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Endpoints and keys of one name see each other; here is what its keys may use together.

    `quota` is what may be optimized in its name.
    """

    name: str
    limits: UseLimits = UseLimits()
    quota: RunQuota = RunQuota()
