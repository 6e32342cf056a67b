"""Every combination predicted, judged and ordered, before anything exists to measure on.

Rejected is only what cannot run, what cannot hold one request, and what misses a constraint even
at the optimistic end of its band. Figures are at the load that was asked for; costs and throughput
of the order are at the highest predicted load that meets the constraints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from paceline.plan.predict.columns import counted
from paceline.plan.predict.deployment import Array, Index
from paceline.plan.predict.placement import placement
from paceline.plan.predict.predict import Band, predict
from paceline.plan.survey.climb import Climb
from paceline.plan.survey.figures import Mask, better_worse, cost, request_figures, violates
from paceline.plan.survey.gain import at_highest_load, formula, gain
from paceline.plan.survey.limits import can_judge, figure_of
from paceline.plan.survey.pricing import Quotes, usual
from paceline.plan.survey.space import (
    Axes,
    Rows,
    RuledOut,
    batch,
    combinations,
    lay_out,
    variant_of,
)
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S
from paceline.records.request import Constraint, Priority, Request, Workload
from paceline.records.variant import Rejection, RejectionReason

GIB: Final = 2.0**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Combinations rejected on one ground: how many, and the one that came nearest."""

    kind: str
    count: int
    example: Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Combinations that could serve, in the order of the axes, with everything predicted of them.

    Arrays are `[rows]`.
    """

    axes: Axes
    rows: Rows
    usd_per_hour: Array
    """Of all devices together; not-a-number where no price is known."""
    old_price: Mask
    """Where that price is too old to rely on."""
    now: Mapping[str, Band]
    """Figures at the load asked for, by contract name."""
    at_once: Array
    """Requests that decode at the same time at most."""
    missed: Index
    """Constraints that the predicted value misses, though the band does not."""
    in_flight: Array
    """The load that the order rests on: the one asked for, or the highest predicted one that meets
    the constraints (0 where none does). That one is not looked for where cost alone decides and no
    price is known."""
    most: Band
    """Output tokens per second at that load."""
    gain: Band
    """The objective, larger is better; not-a-number where it rests on an unknown price."""
    order: Index
    """Best first: those that miss nothing, those with a price, then by gain."""

    def usd_per_mtok(self) -> Band:
        """Cost at the load that the order rests on."""
        return cost(self.usd_per_hour, self.most)

    def could_win(self) -> Mask:
        """Rows whose optimistic gain reaches the best row's pessimistic one."""
        if not len(self.order):
            return np.zeros(0, dtype=np.bool_)
        best = self.gain.low[self.order[0]]
        return np.asarray(~(self.gain.high < best), dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The outcome: `considered` is what `field` and `rejected` add up to."""

    considered: int
    field: Field
    rejected: tuple[Tally, ...]
    formula: str
    unpredicted: tuple[str, ...]
    """Constraints about which nothing can be said beforehand."""


def survey(axes: Axes, request: Request, prices: Quotes, market: str | None = None) -> Survey:
    """Predict, judge and order every combination of the axes.

    `market` is where the accelerators are bought; `None`: wherever they stand first for sale.
    """
    rows, ruled_out = lay_out(axes)
    rows, too_large = _that_fit(axes, rows, request.workload)
    judged = tuple(c for c in request.constraints if can_judge(c, request.workload))
    laid = batch(axes, rows, request.workload)
    seen = predict(laid)
    hourly, old = _hourly(axes, rows, prices, market)
    now = request_figures(laid, seen, request, hourly)
    alive, missed, violated = _judged(axes, rows, now, judged, request.workload)
    rows, hourly, missed = rows.take(alive), hourly[alive], missed[alive]
    now = {name: band.take(alive) for name, band in now.items()}
    at_once = seen.at_once[alive]
    if at_highest_load(request.priority):
        wanted = _ordered_by_load(request, hourly, missed)
        climb = Climb(axes, request, judged)
        in_flight, most = climb.highest(rows, hourly, at_once, now, wanted=wanted)
    else:
        in_flight = np.full(len(rows), float(request.workload.concurrency))
        most = now[OUTPUT_TOKENS_PER_S]
    worth = gain(axes, rows, request, now, usd_per_mtok=cost(hourly, most), most=most)
    field = Field(
        axes=axes,
        rows=rows,
        usd_per_hour=hourly,
        old_price=old[alive],
        now=now,
        at_once=at_once,
        missed=missed,
        in_flight=in_flight,
        most=most,
        gain=worth,
        order=_order(worth, missed),
    )
    return Survey(
        considered=combinations(axes),
        field=field,
        rejected=(*_tallied(ruled_out), *too_large, *violated),
        formula=formula(request),
        unpredicted=tuple(c.text for c in request.constraints if c not in judged),
    )


def _tallied(ruled_out: Sequence[RuledOut]) -> tuple[Tally, ...]:
    kinds: dict[str, Tally] = {}
    for block in ruled_out:
        before = kinds.get(block.kind)
        if before is not None:
            kinds[block.kind] = replace(before, count=before.count + block.count)
            continue
        example = Rejection(
            variant=block.variant, reason=RejectionReason.UNSUPPORTED, detail=block.because
        )
        kinds[block.kind] = Tally(kind=block.kind, count=block.count, example=example)
    return tuple(kinds.values())


def _that_fit(axes: Axes, rows: Rows, workload: Workload) -> tuple[Rows, tuple[Tally, ...]]:
    """Rows that hold one request beside the weights; the nearest miss stands for the others."""
    laid = batch(axes, rows, workload)
    place = placement(laid, counted(laid))
    fits = place.sequences_at_most >= 1.0
    gone = np.flatnonzero(~fits)
    if not len(gone):
        return rows, ()
    sequence = place.kv_bytes_per_token * (laid.input_tokens + laid.output_tokens)
    need = (
        place.weight_bytes + place.activation_bytes + place.overhead_bytes
        + sequence + place.state_bytes
    )  # fmt: skip
    nearest = int(gone[np.argmin((need / place.most_bytes)[gone])])
    variant = variant_of(axes, rows, nearest)
    example = Rejection(
        variant=variant,
        reason=RejectionReason.DOES_NOT_FIT,
        detail="the nearest miss: weights, one request, activations and the engine, per device",
        have=f"{place.most_bytes[nearest] / GIB:.1f} GiB",
        need=f"{need[nearest] / GIB:.1f} GiB",
    )
    tally = Tally(kind="does not fit", count=len(gone), example=example)
    return rows.take(fits), (tally,)


def _hourly(axes: Axes, rows: Rows, prices: Quotes, market: str | None) -> tuple[Array, Mask]:
    """USD per hour of all devices of each row, and whether that is an old price."""
    found = [usual(prices.get(device.name), market) for device in axes.devices]
    hourly = [np.nan if q is None else q.price.usd_per_device_hour for q in found]
    old = np.array([q is not None and q.stale for q in found], dtype=np.bool_)
    counts = np.array([layout.count for layout in axes.layouts], dtype=np.float64)
    each: Array = np.array(hourly, dtype=np.float64)[rows.device]
    return each * counts[rows.layout], old[rows.device]


def _judged(
    axes: Axes,
    rows: Rows,
    now: Mapping[str, Band],
    constraints: Sequence[Constraint],
    workload: Workload,
) -> tuple[Mask, Index, tuple[Tally, ...]]:
    """Who may still meet everything, how many limits each value misses, and who is out."""
    alive = np.ones(len(rows), dtype=np.bool_)
    missed = np.zeros(len(rows), dtype=np.intp)
    tallies = []
    for constraint in constraints:
        name = figure_of(constraint, workload)
        best, _ = better_worse(now[name], less_is_better=constraint.comparison.wants_less)
        out = alive & violates(best, constraint)
        missed += violates(now[name].value, constraint)
        if out.any():
            tallies.append(_violation(axes, rows, constraint, now[name], best=best, out=out))
        alive &= ~out
    return alive, missed, tuple(tallies)


def _violation(
    axes: Axes, rows: Rows, constraint: Constraint, band: Band, *, best: Array, out: Mask
) -> Tally:
    distance = np.where(out, np.abs(best - constraint.limit), np.inf)
    nearest = int(np.argmin(distance))
    margin = (best[nearest] - constraint.limit) / constraint.limit
    example = Rejection(
        variant=variant_of(axes, rows, nearest),
        reason=RejectionReason.CONSTRAINT,
        detail=f"predicted to miss {constraint.text} by {abs(margin):.1%} at best (nearest miss)",
        have=f"{_plain(band.value[nearest])} {constraint.unit}"
        f" [{_plain(band.low[nearest])} – {_plain(band.high[nearest])}]",
        need=f"{constraint.comparison} {_plain(constraint.limit)} {constraint.unit}",
    )
    return Tally(kind=constraint.text, count=int(out.sum()), example=example)


def _ordered_by_load(request: Request, hourly: Array, missed: Index) -> Mask:
    """Rows whose place depends on their highest load.

    In an order by cost that is none without a price, unless such a row may come first: what is
    said of the first rests on its throughput, too.
    """
    every = np.ones(len(hourly), dtype=np.bool_)
    if request.priority is not Priority.COST or not len(hourly):
        return every
    priced = ~np.isnan(hourly)
    return priced if priced[missed == missed.min()].any() else every


def _order(gain: Band, missed: Index) -> Index:
    unpriced = np.isnan(gain.value)
    worth = np.where(unpriced, -np.inf, gain.value)
    return np.lexsort((-worth, unpriced, missed))


def _plain(value: float) -> str:
    """Whole numbers from a hundred on, three digits below; never an exponent in between."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004
