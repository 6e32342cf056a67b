"""Whether the load generator can be trusted. Apart from `records.load`, so that reading stored
trials does not import numpy."""

from dataclasses import dataclass
from enum import StrEnum


class ClientState(StrEnum):
    """Whether the client could have changed the result."""

    OK = "ok"
    CLIENT_BOUND = "client_bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientVerdict:
    """The client's innocence, with each reason against it and both numbers in it.

    `added_ms` is the most that it may have added to a latency: the p99 of its own delays, `None`
    when that cannot be told.
    """

    verdict: ClientState
    reasons: tuple[str, ...] = ()
    added_ms: float | None = None
