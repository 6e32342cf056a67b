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
    """The client's innocence, with each reason against it and both numbers in it."""

    verdict: ClientState
    reasons: tuple[str, ...] = ()
