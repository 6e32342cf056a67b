"""From the request's workload to the load that one trial sends."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from paceline.records.load_plan import Arrivals, LengthKind, Lengths, LoadShape
from paceline.records.metric_names import LATENCIES
from paceline.records.request import Constraint, Workload
from paceline.trial.images.load import image_shape
from paceline.units import Seconds

WARMUP_ROUNDS: Final = 1
"""Warm-up requests per request in flight: the first batch compiles and allocates."""

RUNG_SEEDS: Final = 2**31
"""Seeds from here on are those of first rungs; nobody counts repeats that far."""


def load_shape(workload: Workload, *, seed: int, prompts: Sequence[str] = ()) -> LoadShape:
    """Closed loop when the workload has no rate, else open loop at that rate.

    `prompts` are what a load of images asks for.
    """
    open_loop = workload.rate_rps is not None
    shape = LoadShape(
        arrivals=Arrivals(workload.arrivals) if open_loop else Arrivals.CLOSED,
        concurrency=None if open_loop else workload.concurrency,
        rate_rps=workload.rate_rps,
        requests=workload.max_requests,
        duration_s=workload.duration_s,
        max_in_flight=None,
        input_tokens=Lengths(kind=LengthKind.FIXED, mean=workload.input_tokens),
        output_tokens=Lengths(kind=LengthKind.FIXED, mean=workload.output_tokens),
        prefix_tokens=workload.shared_prefix_tokens,
        warmup_requests=workload.concurrency * WARMUP_ROUNDS,
        seed=seed,
    )
    return shape if workload.image is None else image_shape(shape, workload.image, prompts)


def rung_shape(
    workload: Workload, *, seed: int, share: float, prompts: Sequence[str] = ()
) -> LoadShape:
    """The first `share` (0–1) of the window, as a load of its own that comes before the whole one.

    None of its prompts comes again in the whole one: a server with a prefix cache would answer
    those from the cache, and its first part would look better than the rest.
    """
    most = workload.max_requests
    short = replace(
        workload,
        duration_s=Seconds(workload.duration_s * share),
        max_requests=None if most is None else max(1, round(most * share)),
    )
    return load_shape(short, seed=seed + RUNG_SEEDS, prompts=prompts)


def latency_limits_ms(constraints: Iterable[Constraint]) -> tuple[float, ...]:
    """The absolute upper limits on latencies, in ms."""
    return tuple(
        constraint.limit
        for constraint in constraints
        if constraint.metric in LATENCIES
        and constraint.comparison.wants_less
        and not constraint.relative
    )
