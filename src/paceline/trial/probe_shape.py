"""How long a probe of the load search must be, and the load it sends. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.records.load_plan import LoadShape
from paceline.records.metric_names import PERCENTILES
from paceline.records.request import Constraint
from paceline.units import MS_PER_S, Seconds

FEWEST_REQUESTS: Final = 40
MEAN_REQUESTS: Final = 64
"""A mean has two requests in each of its 32 batches."""
TAIL: Final = 0.025
"""One side of a 95 % interval."""
SPARE: Final = 2.0
"""Over the fewest requests that can prove a percentile: those allow no miss and no correlation."""
WAVES: Final = 8
"""Requests per slot in closed loop. Slots tend to keep step, and requests of one wave meet the
same fate: what counts as evidence is rather the number of waves."""
SHORTEST_OPEN_S: Final = 3.0
OPEN_TIMES_E2E: Final = 4.0
"""An open loop reaches its steady state after some lengths of a request."""
LONGEST_S: Final = 60.0
"""Of a probe at its first length; a slow server gets fewer requests and may stay unresolved."""
START_S: Final = 10.0
"""About how long the first probe should take: at one request in flight it would take minutes."""
IDLE_IN_FLIGHT: Final = 0.1
"""Requests in flight on average, below which requests hardly ever meet."""
SEED_STEP: Final = 7_919
"""Probes must not send the same prompts, or a prefix cache would answer the later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLength:
    """What the shortest probe must reach, from the constraints and an idle server's answer."""

    requests: int
    idle_e2e_s: float


def probe_length(
    constraints: Sequence[Constraint], *, first_output_ms: float, per_request_ms: float
) -> ProbeLength:
    """Enough requests that each constraint can pass at all.

    `first_output_ms` and `per_request_ms` are guesses of an idle server's times.
    """
    needed = max((_needed(constraint) for constraint in constraints), default=FEWEST_REQUESTS)
    idle_s = max(first_output_ms, per_request_ms, 1.0) / MS_PER_S
    return ProbeLength(requests=max(needed, FEWEST_REQUESTS), idle_e2e_s=idle_s)


def probe_shape(
    base: LoadShape, *, level: float, length: int, number: int, shortest: ProbeLength
) -> LoadShape:
    """The load of probe `number` at `level`; bounds given by the user are stretched by `length`."""
    closed = base.concurrency is not None
    at_level = replace(
        base,
        concurrency=int(level) if closed else None,
        rate_rps=None if closed else level,
        warmup_requests=_warmup(level) if closed else base.warmup_requests,
        seed=base.seed + number * SEED_STEP,
    )
    if base.requests is not None or base.duration_s is not None:
        return replace(
            at_level,
            requests=None if base.requests is None else base.requests * length,
            duration_s=None if base.duration_s is None else Seconds(base.duration_s * length),
        )
    if closed:
        requests = max(shortest.requests, WAVES * int(level))
    else:
        seconds = max(SHORTEST_OPEN_S, OPEN_TIMES_E2E * shortest.idle_e2e_s)
        requests = max(shortest.requests, math.ceil(level * seconds))
    return replace(at_level, requests=requests * length, duration_s=Seconds(LONGEST_S * length))


def first_concurrency(shortest: ProbeLength) -> int:
    """A power of two at which the first probe takes about `START_S`."""
    wanted = shortest.requests * shortest.idle_e2e_s / START_S
    return int(2 ** max(0, round(math.log2(max(wanted, 1.0)))))


def first_rate(shortest: ProbeLength) -> float:
    """One request in flight on average, or more where that would take too long."""
    return _rounded(max(1 / shortest.idle_e2e_s, shortest.requests / START_S))


def idle_rate(shortest: ProbeLength) -> float:
    """A rate at which requests hardly ever meet."""
    return _rounded(IDLE_IN_FLIGHT / shortest.idle_e2e_s)


def _needed(constraint: Constraint) -> int:
    """Requests with which a limit on this statistic can be shown to hold."""
    if constraint.statistic in PERCENTILES:
        share = PERCENTILES[constraint.statistic]
    elif constraint.metric == "failed_share" and 0 < constraint.limit < 1:
        share = 1 - constraint.limit
    else:
        return MEAN_REQUESTS
    return math.ceil(SPARE * math.log(TAIL) / math.log(share))


def _warmup(level: float) -> int:
    return max(1, int(level))


def _rounded(rate: float) -> float:
    """Two digits: the guess has no more, and people read it."""
    return float(f"{rate:.2g}")
