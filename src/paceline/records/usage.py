"""What was used: requests as accounted for, and their sums."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paceline.records.gateway import UsageLine

NOBODY: Final = "-"
"""The group of requests without a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolPosition:
    """Everything before this byte of this file, and all files before it, is accounted for."""

    file: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine:
    """A line of the spool with what it cost; nothing where the endpoint has no price.

    `replica_s` is the request's share of its replica's time, see `deploy.shares`.
    """

    line: UsageLine
    usd: float
    replica_s: float | None = None


class UsageBy(StrEnum):
    """What requests are summed by."""

    ENDPOINT = "endpoint"
    KEY = "key"
    VERSION = "version"
    WORKSPACE = "workspace"
    DAY = "day"
    REQUEST = "request"
    """By the id in `x-request-id`, which clients may give and repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """Sums over the requests of one group.

    `ok` to `refused` are how requests ended, as in `records.gateway.Ended`; `unknown` are requests
    that a replica was given and whose end nobody saw, because the gateway was killed. Times in
    seconds: `queue_s` waiting with a replica ready, `cold_s` without one, `execution_s` in a
    replica; `ttft_mean_s` from the arrival to the first byte, of those that streamed (`None`: none
    did).
    """

    group: str
    requests: int = 0
    ok: int = 0
    aborted: int = 0
    failed: int = 0
    rejected: int = 0
    refused: int = 0
    unknown: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    queue_s: float = 0.0
    cold_s: float = 0.0
    execution_s: float = 0.0
    usd: float = 0.0
    ttft_mean_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaShare:
    """What the requests of one group had of one replica's time."""

    group: str
    replica_id: str
    replica_s: float
