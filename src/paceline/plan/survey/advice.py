"""The hardware decision as sentences: size, latency, budget, precision, then a class to take.

Every figure is taken from the survey itself, so that the tree cannot disagree with the ranking.
Thresholds are those that practitioners are asked about; what they lead to is computed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.plan.facts.tables import Format
from paceline.plan.predict.columns import linear_parameters, separate_head_parameters
from paceline.plan.predict.deployment import Array, Index
from paceline.plan.shapes import Shape
from paceline.plan.survey.field import Field, Survey
from paceline.plan.survey.figures import Mask
from paceline.plan.survey.gain import at_highest_load
from paceline.plan.survey.pricing import Quotes
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S
from paceline.records.request import Request
from paceline.units import BYTES_PER_GIB

TPOT: Final = "tpot_mean_ms"
LATENCY_TIERS_MS: Final = (20.0, 50.0, 200.0)
BUDGET_TIERS: Final = ((0.0, 1.0), (1.0, 5.0), (5.0, 20.0), (20.0, np.inf))
"""USD per hour of all devices together."""
PRECISIONS: Final = (("16 bit", 12.0, 17.0), ("8 bit", 7.0, 12.0), ("4 bit", 3.9, 6.0))
"""Names with the bits per weight they cover, from above the first to the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question of the tree, answered."""

    topic: str
    text: str


def advice(found: Survey, request: Request, prices: Quotes) -> tuple[Answer, ...]:
    """The tree for one model and workload; empty where nothing could serve it."""
    field = found.field
    if not len(field.order):
        return ()
    return (
        Answer(topic="size", text=_size(field)),
        Answer(topic="latency", text=_latency(field)),
        Answer(topic="budget", text=_budget(field, request)),
        *_precision(field, request),
        *_market(field, prices),
        Answer(topic="recommendation", text=_recommendation(field, request)),
    )


def weights_gib(shape: Shape, format_: Format) -> float:
    """Resident weights of the whole model: counts x effective bits / 8."""
    linear = linear_parameters(shape) * format_.bits_linear
    tables = shape.embedding_parameters + separate_head_parameters(shape)
    experts = shape.expert_parameters * format_.bits_experts
    return (linear + tables * format_.bits_embedding + experts) / 8 / BYTES_PER_GIB


def _size(field: Field) -> str:
    shape = field.axes.shape
    active = ""
    if shape.experts:
        active = f", {shape.active_parameters / 1e9:.1f}B of them active per token"
    parts = []
    for name, mask in _by_precision(field):
        chosen = _cheapest(field, mask)
        if chosen is None:
            parts.append(f"in {name} nothing in the table holds it")
            continue
        format_ = field.axes.formats[field.rows.format[chosen]]
        gib = weights_gib(shape, format_)
        parts.append(
            f"in {name} its weights are {gib:.0f} GiB, cheapest on {_place(field, chosen)}"
        )
    return f"{shape.parameters / 1e9:.1f}B parameters{active}: {'; '.join(parts)}."


def _latency(field: Field) -> str:
    tpot = field.now[TPOT]
    parts = []
    for limit in LATENCY_TIERS_MS:
        chosen = _cheapest(field, np.asarray(tpot.value <= limit))
        if chosen is None:
            parts.append(f"under {limit:.0f} ms per token: nothing")
            continue
        parts.append(
            f"under {limit:.0f} ms per token: {_place(field, chosen)} with"
            f" {_what(field, chosen)} ({_band(field, TPOT, chosen)} ms)"
        )
    return f"Cheapest at the load asked for, {'; '.join(parts)}."


def _budget(field: Field, request: Request) -> str:
    parts = []
    for low, high in BUDGET_TIERS:
        inside = (field.usd_per_hour > low) & (field.usd_per_hour <= high)
        chosen = _first(field, np.asarray(inside))
        name = f"above ${low:.0f}/h" if np.isinf(high) else f"${low:.0f} to ${high:.0f}/h"
        if chosen is None:
            parts.append(f"{name}: nothing that holds it")
            continue
        dear = float(field.usd_per_mtok().value[chosen])
        parts.append(
            f"{name}: {_place(field, chosen)} with {_what(field, chosen)},"
            f" ${dear:.3g} per million tokens"
        )
    return f"Best for {request.priority.value} {_load(request)}, {'; '.join(parts)}."


def _precision(field: Field, request: Request) -> tuple[Answer, ...]:
    """Formats against each other on the devices of the best row, each with its best settings."""
    best = int(field.order[0])
    count = _counts(field)
    same = (field.rows.device == field.rows.device[best]) & (count == count[best])
    rates = []
    for name, mask in _by_precision(field):
        chosen = _highest(field.most.value, np.asarray(mask & same))
        if chosen is not None:
            rates.append((name, _what(field, chosen), float(field.most.value[chosen])))
    if len(rates) < 2:  # noqa: PLR2004 - two to compare
        return ()
    base = rates[0][2]
    shown = "; ".join(
        f"{name} ({what}) {rate:,.0f} tokens/s, {rate / base:.1f} x" for name, what, rate in rates
    )
    place = f"{count[best]} x {field.axes.devices[field.rows.device[best]].name}"
    text = (
        f"On {place} {_load(request)}: {shown}. Quality is not predicted; `optimize` measures"
        " it against the 16-bit baseline."
    )
    return (Answer(topic="precision", text=text),)


def _market(field: Field, prices: Quotes) -> tuple[Answer, ...]:
    device = field.axes.devices[field.rows.device[field.order[0]]].name
    quotes = prices.get(device, {})
    steady = quotes.get("on-demand") or quotes.get("serverless-active")
    flex = quotes.get("serverless-flex")
    if steady is None or flex is None:
        return ()
    hourly, per_hour = flex.price.usd_per_device_hour, steady.price.usd_per_device_hour
    if hourly <= per_hour:
        text = (
            f"{device}: serverless flex costs ${hourly:.2f} per busy hour, less than"
            f" {steady.price.market} at ${per_hour:.2f}; it wins at any load."
        )
    else:
        text = (
            f"{device}: serverless flex (${flex.usd_per_device_second:.5f} per second) is cheaper"
            f" than {steady.price.market} (${per_hour:.2f}/h) while busy less than"
            f" {per_hour / hourly:.0%} of the time; cold starts come on top."
        )
    return (Answer(topic="market", text=text),)


def _recommendation(field: Field, request: Request) -> str:
    best = int(field.order[0])
    device = field.axes.devices[field.rows.device[best]]
    rate = _band(field, OUTPUT_TOKENS_PER_S, best)
    cost = field.usd_per_mtok()
    dear = ""
    if np.isfinite(cost.value[best]):
        dear = (
            f", ${cost.value[best]:.3g} per million tokens [{cost.low[best]:.3g} –"
            f" {cost.high[best]:.3g}] at {field.in_flight[best]:.0f} requests in flight"
        )
    rivals = int(field.could_win().sum()) - 1
    missed = int(field.missed[best])
    caution = (
        f" Its predicted value misses {missed} of the constraints; only its band reaches them."
        if missed
        else ""
    )
    return (
        f"For {request.priority.value}: {device.vendor} {device.architecture},"
        f" {_place(field, best)} with {_what(field, best)}: {rate} tokens/s and"
        f" {_band(field, TPOT, best)} ms per token at the load asked for{dear}.{caution}"
        f" {rivals:,} other combinations overlap with it: measure the leaders before you buy."
    )


def _load(request: Request) -> str:
    highest = at_highest_load(request.priority)
    return "at the highest load" if highest else "at the load asked for"


def _by_precision(field: Field) -> Sequence[tuple[str, Mask]]:
    bits = np.array([_mean_bits(field.axes.shape, f) for f in field.axes.formats])
    of_rows = bits[field.rows.format]
    return [
        (name, np.asarray((of_rows > low) & (of_rows <= high))) for name, low, high in PRECISIONS
    ]


def _mean_bits(shape: Shape, format_: Format) -> float:
    """Bits of what most of the model is made of: its experts, or its linear layers."""
    routed = shape.expert_parameters * 2 > shape.parameters
    return format_.bits_experts if routed else format_.bits_linear


def _cheapest(field: Field, mask: Mask) -> int | None:
    """The lowest price per hour, then the better one; rows without a price come last."""
    price = np.where(np.isnan(field.usd_per_hour), np.inf, field.usd_per_hour)
    return _picked(field, mask, lambda rows: price[rows])


def _first(field: Field, mask: Mask) -> int | None:
    return _picked(field, mask, lambda rows: np.zeros(len(rows)))


def _picked(field: Field, mask: Mask, key: Callable[[Index], Array]) -> int | None:
    rows = field.order[mask[field.order]]
    return int(rows[np.argmin(key(rows))]) if len(rows) else None


def _highest(values: Array, mask: Mask) -> int | None:
    rows = np.flatnonzero(mask)
    return int(rows[np.argmax(values[rows])]) if len(rows) else None


def _counts(field: Field) -> Index:
    counts: Index = np.array([o.count for o in field.axes.layouts], dtype=np.intp)
    return counts[field.rows.layout]


def _place(field: Field, row: int) -> str:
    device = field.axes.devices[field.rows.device[row]].name
    price = field.usd_per_hour[row]
    old = ", an old price" if field.old_price[row] else ""
    shown = "price unknown" if np.isnan(price) else f"${price:.2f}/h{old}"
    return f"{_counts(field)[row]} x {device} ({shown})"


def _what(field: Field, row: int) -> str:
    engine = field.axes.engines[field.rows.engine[row]].name
    return f"{engine} {field.axes.formats[field.rows.format[row]].name}"


def _band(field: Field, name: str, row: int) -> str:
    band = field.now[name]
    return f"{band.value[row]:,.0f} [{band.low[row]:,.0f} – {band.high[row]:,.0f}]"
