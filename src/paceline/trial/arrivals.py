"""From the shape of a load to every request in it: due times, lengths, sessions. Pure and seeded.

Each quantity has a random stream of its own, so that changing the output lengths of a shape does
not move its arrivals.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np

from paceline.errors import Code, SpecError
from paceline.records.load_plan import (
    Arrivals,
    Level,
    LoadPlan,
    LoadShape,
    PlannedRequest,
    Stage,
)
from paceline.trial.lengths import draw
from paceline.units import Seconds

CLOSED_ROWS: Final = 4096
"""Sessions drawn for a closed loop that only a duration bounds; then they are repeated."""
MOST_ROWS: Final = 5_000_000
GAP_BLOCK: Final = 1024
_STREAMS: Final = {"arrivals": 1, "input": 2, "output": 3, "turns": 4, "groups": 5, "prompts": 6}


def plan_load(shape: LoadShape) -> LoadPlan:
    """Draw a plan from a shape; the same shape gives the same plan.

    Raises SpecError: nothing to send, no rate and no concurrency, or both, or bounds that
    contradict each other.
    """
    _check(shape)
    closed = shape.arrivals is Arrivals.CLOSED
    dues = None if closed else list(_due_times(shape))
    sessions = len(dues) if dues is not None else _closed_sessions(shape)
    rows = _rows(shape, sessions, dues)
    if shape.requests is not None:
        rows = rows[: shape.requests]
    return LoadPlan(
        arrivals=shape.arrivals,
        rows=tuple(rows),
        levels=_levels(shape) if closed else (),
        requests=shape.requests if closed else None,
        duration_s=_duration_s(shape),
        max_in_flight=shape.max_in_flight,
        offered_rps=None if dues is None else _offered(shape, dues),
        prefix_tokens=shape.prefix_tokens,
        think_s=shape.think_s,
        prompts=shape.prompts,
        warmup_requests=shape.warmup_requests,
        seed=shape.seed,
        settings=shape.settings,
    )


def _check(shape: LoadShape) -> None:
    closed = shape.arrivals is Arrivals.CLOSED
    traced = shape.arrivals is Arrivals.TRACE
    if closed and shape.concurrency is None and not shape.stages:
        raise _wrong("a closed loop has no concurrency", "neither a number nor stages are given")
    if closed and shape.rate_rps is not None:
        raise _wrong(
            "concurrency and rate are both given",
            f"concurrency {shape.concurrency} means closed loop, {shape.rate_rps:g} requests/s"
            " means open loop",
        )
    if not closed and not traced and shape.rate_rps is None and not shape.stages:
        raise _wrong(f"{shape.arrivals} arrivals have no rate", "neither a rate nor stages")
    if not closed and shape.concurrency is not None:
        raise _wrong(
            "an open loop has no concurrency",
            f"{shape.arrivals} arrivals come whatever is in flight, and {shape.concurrency} is"
            " given; a limit on requests in flight is --max-in-flight",
        )
    if traced != bool(shape.trace):
        raise _wrong("trace arrivals and a trace belong together", "only one of them is given")
    if shape.arrivals is Arrivals.GAMMA and not (shape.gamma_cv or 0) > 0:
        raise _wrong("gamma arrivals have no CV", f"{shape.gamma_cv} is given, above 0 is needed")
    if shape.requests is None and shape.duration_s is None and not shape.stages and not traced:
        raise _wrong("the load has no end", "neither requests nor a duration is given")
    for name, value in (
        ("number of requests", shape.requests),
        ("duration", shape.duration_s),
        ("concurrency", shape.concurrency),
        ("rate", shape.rate_rps),
        ("limit of requests in flight", shape.max_in_flight),
        ("number of prefix groups", shape.prefix_groups),
    ):
        if value is not None and not value > 0:
            raise SpecError(
                Code.BAD_OPTION,
                f"a load with {value:g} as its {name} sends nothing",
                why=f"{value:g} is not above 0",
                fix=f"give a {name} above 0",
            )


def _due_times(shape: LoadShape) -> Iterator[tuple[float, int]]:
    """Due time and stage of each session, up to the bounds of the shape."""
    limit = MOST_ROWS if shape.requests is None else shape.requests
    times = _trace_times(shape) if shape.arrivals is Arrivals.TRACE else _renewals(shape)
    return islice(times, limit)


def _trace_times(shape: LoadShape) -> Iterator[tuple[float, int]]:
    for row in shape.trace:
        if shape.duration_s is None or row.t_s < shape.duration_s:
            yield row.t_s, 0


def _renewals(shape: LoadShape) -> Iterator[tuple[float, int]]:
    """Arrivals of unit rate, stretched to the rate of each stage.

    A gap that a stage's end cuts goes on in the next stage at that stage's rate, which keeps a
    Poisson process with a changing rate exactly one.
    """
    gaps = _unit_gaps(shape)
    done, target = 0.0, next(gaps)  # expected arrivals so far, and where the next one falls
    start_s = 0.0
    for number, stage in enumerate(_open_stages(shape)):
        whole = _expected(stage, stage.duration_s)
        while target < done + whole:
            yield start_s + _time_of(stage, target - done), number
            target += next(gaps)
        done += whole
        start_s += stage.duration_s


def _unit_gaps(shape: LoadShape) -> Iterator[float]:
    """Inter-arrival gaps of mean one; the first arrival of a constant rate is at zero."""
    rng = _stream(shape, "arrivals")
    if shape.arrivals is Arrivals.CONSTANT:
        yield 0.0
        while True:
            yield 1.0
    while True:
        if shape.arrivals is Arrivals.GAMMA:
            form = 1.0 / (shape.gamma_cv or 1.0) ** 2  # CV = 1 / sqrt(shape parameter)
            yield from rng.gamma(form, 1.0 / form, size=GAP_BLOCK).tolist()
        else:
            yield from rng.exponential(size=GAP_BLOCK).tolist()


def _open_stages(shape: LoadShape) -> Sequence[Stage]:
    if shape.stages:
        return shape.stages
    duration_s = math.inf if shape.duration_s is None else shape.duration_s
    return (Stage(duration_s=duration_s, level=shape.rate_rps or 0.0),)


def _expected(stage: Stage, elapsed_s: float) -> float:
    """Arrivals expected in the first `elapsed_s` of a stage: the integral of its rate."""
    if stage.end_level is None:
        return stage.level * elapsed_s
    slope = (stage.end_level - stage.level) / stage.duration_s
    return stage.level * elapsed_s + slope * elapsed_s**2 / 2


def _time_of(stage: Stage, arrivals: float) -> float:
    """When a stage has had so many expected arrivals: the inverse of `_expected`."""
    if arrivals == 0.0:
        return 0.0
    if stage.end_level is None or stage.end_level == stage.level:
        return arrivals / stage.level
    slope = (stage.end_level - stage.level) / stage.duration_s
    root = math.sqrt(max(stage.level**2 + 2 * slope * arrivals, 0.0))
    return 2 * arrivals / (stage.level + root)  # stable also where the slope is nearly zero


def _closed_sessions(shape: LoadShape) -> int:
    turns = max(1.0, shape.turns.mean)
    if shape.requests is None:
        return CLOSED_ROWS
    return max(
        1, min(MOST_ROWS, math.ceil(shape.requests / turns) if turns == 1 else shape.requests)
    )


def _rows(
    shape: LoadShape, sessions: int, dues: list[tuple[float, int]] | None
) -> list[PlannedRequest]:
    turns = draw(shape.turns, sessions, _stream(shape, "turns")).tolist()
    total = sum(turns)
    inputs = draw(shape.input_tokens, total, _stream(shape, "input")).tolist()
    outputs = draw(shape.output_tokens, total, _stream(shape, "output")).tolist()
    groups = _stream(shape, "groups").integers(shape.prefix_groups, size=sessions).tolist()
    picks: list[int] = []
    if shape.prompts:
        order = _stream(shape, "prompts")
        while len(picks) < total:  # every prompt once before any comes again
            picks += order.permutation(len(shape.prompts)).tolist()
    rows: list[PlannedRequest] = []
    for session in range(sessions):
        due_s, stage = dues[session] if dues is not None else (None, 0)
        for turn in range(turns[session]):
            place = len(rows)
            prompt = shape.prompts[picks[place]] if picks else None
            traced = shape.trace[session] if shape.trace else None
            rows.append(
                PlannedRequest(
                    due_s=due_s if turn == 0 else None,
                    input_tokens=traced.input_tokens if traced else inputs[place],
                    output_tokens=(prompt.output_tokens if prompt else None)
                    or (traced.output_tokens if traced else outputs[place]),
                    session=session,
                    turn=turn,
                    stage=stage,
                    prefix_group=groups[session] if shape.prefix_tokens else None,
                    prompt=picks[place] if picks else None,
                )
            )
    return rows


def _levels(shape: LoadShape) -> tuple[Level, ...]:
    if not shape.stages:
        return (Level(at_s=0.0, in_flight=float(shape.concurrency or 1)),)
    levels: list[Level] = []
    at_s = 0.0
    for number, stage in enumerate(shape.stages):
        ramp = stage.end_level is not None
        levels.append(Level(at_s=at_s, in_flight=stage.level, stage=number, ramp=ramp))
        at_s += stage.duration_s
        if stage.end_level is not None:
            levels.append(Level(at_s=at_s, in_flight=stage.end_level, stage=number))
    return tuple(levels)


def _duration_s(shape: LoadShape) -> Seconds | None:
    if shape.stages:
        return Seconds(sum(stage.duration_s for stage in shape.stages))
    return shape.duration_s


def _offered(shape: LoadShape, dues: list[tuple[float, int]]) -> float | None:
    """The rate asked for; of a trace or stages, the mean over their length."""
    if shape.rate_rps is not None and not shape.stages:
        return shape.rate_rps
    span_s = _duration_s(shape) or (dues[-1][0] if dues else 0.0)
    return len(dues) / span_s if span_s > 0 else None


def _stream(shape: LoadShape, name: str) -> np.random.Generator:
    return np.random.default_rng([shape.seed, _STREAMS[name]])


def _wrong(what: str, why: str) -> SpecError:
    return SpecError(
        Code.CONTRADICTION,
        what,
        why=why,
        fix="give exactly one of --concurrency, --rate and --trace, and --requests or --duration",
    )
