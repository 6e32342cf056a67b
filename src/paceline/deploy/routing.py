"""Which replica gets a request: pure, called once per request.

Least loaded relative to measured capacity, so that unlike accelerators are used evenly. A replica
that was just admitted counts as smaller for a while. A canary gets its share by chance. With a
prefix, requests that begin alike go to the same replica while that one is not much busier.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

RAMP_S: Final = 20.0
FIRST_WEIGHT: Final = 0.1
AFFINE_LOAD: Final = 1.25
"""A replica keeps its prefixes while its load is at most this multiple of the mean, plus one."""


class Candidate(Protocol):
    """A replica as far as routing is concerned."""

    @property
    def replica_id(self) -> str: ...
    @property
    def capacity(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def admitted_at_s(self) -> float: ...
    @property
    def share(self) -> float | None: ...
    @property
    def closed(self) -> bool:
        """Draining, or put out by its breaker: not for new requests."""
        ...


C = TypeVar("C", bound=Candidate)


def choose(
    candidates: Sequence[C], *, now_s: float, draw: float, prefix: bytes | None = None
) -> C | None:
    """The replica for a request, or `None` when none has room.

    `now_s` is on the scale of `admitted_at_s`; `draw` is a random number in [0, 1) that decides
    canaries and, between equals, who comes first.
    """
    pool = [one for one in candidates if one.in_flight < one.capacity and not one.closed]
    if len(pool) <= 1:
        return pool[0] if pool else None
    pool, draw = _canaries_or_others(pool, draw)
    if prefix is not None:
        affine = _affine(pool, prefix)
        if affine is not None:
            return affine
    return _least_loaded(pool, now_s, draw)


def weight(age_s: float) -> float:
    """Of a replica in its first seconds, growing to one."""
    if age_s >= RAMP_S:
        return 1.0
    return FIRST_WEIGHT + (1.0 - FIRST_WEIGHT) * max(age_s, 0.0) / RAMP_S


def _canaries_or_others(pool: list[C], draw: float) -> tuple[list[C], float]:
    """The side that the draw falls on, and the draw stretched over that side again.

    A side without room is not in the pool: then the other takes its requests.
    """
    canaries = [one for one in pool if one.share is not None]
    if not canaries or len(canaries) == len(pool):
        return pool, draw
    share = min(sum(one.share or 0.0 for one in canaries), 1.0)
    if draw < share:
        return canaries, draw / share
    return [one for one in pool if one.share is None], (draw - share) / (1.0 - share)


def _least_loaded(pool: list[C], now_s: float, draw: float) -> C:
    """The lowest load after taking the request; between equals, the first from a random place."""
    first = int(draw * len(pool)) % len(pool)
    best = pool[first]
    best_load = _load(best, now_s)
    for one in pool[first + 1 :] + pool[:first]:
        load = _load(one, now_s)
        if load < best_load:
            best, best_load = one, load
    return best


def _load(one: Candidate, now_s: float) -> float:
    return (one.in_flight + 1) / (one.capacity * weight(now_s - one.admitted_at_s))


def _affine(pool: list[C], prefix: bytes) -> C | None:
    """The owner of a prefix by rendezvous hashing, unless it is much busier than the others.

    A replica that comes or goes moves only its own prefixes (Thaler and Ravishankar, 1998);
    the bound on its load is that of Mirrokni et al., "Consistent Hashing with Bounded Loads", 2018.
    """
    owner = max(pool, key=lambda one: _affinity(prefix, one.replica_id))
    mean_load = sum(one.in_flight / one.capacity for one in pool) / len(pool)
    allowed = AFFINE_LOAD * mean_load * owner.capacity + 1
    return owner if owner.in_flight < allowed else None


def _affinity(prefix: bytes, replica_id: str) -> bytes:
    return hashlib.blake2b(prefix, key=replica_id.encode()[:64], digest_size=8).digest()
