"""The priority as a number per combination, larger is better, and in words."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from paceline.plan.predict.deployment import Array
from paceline.plan.predict.predict import Band
from paceline.plan.survey.limits import latency_of
from paceline.plan.survey.space import Axes, Rows
from paceline.records.metric_names import COST_USD_PER_MTOK, OUTPUT_TOKENS_PER_S
from paceline.records.request import Priority, Request

QUALITY_STEP: Final = 1000.0
"""Far more than any logarithm of a figure: bits come first, the rest decides among equals."""


def at_highest_load(priority: Priority) -> bool:
    """Whether the order rests on the highest load that meets the constraints; else on the load
    asked for, as a run measures it.
    """
    return priority in (Priority.THROUGHPUT, Priority.COST)


def formula(request: Request) -> str:
    """How the order is made, in words."""
    latency = latency_of(request)
    at = "at the highest predicted load that meets the constraints"
    match request.priority:
        case Priority.LATENCY:
            return f"latency: {latency} at the load asked for, less is better"
        case Priority.THROUGHPUT:
            return f"throughput: {OUTPUT_TOKENS_PER_S} {at}, more is better"
        case Priority.COST:
            return f"cost: {COST_USD_PER_MTOK} {at}, less is better"
        case Priority.QUALITY:
            return (
                "quality cannot be predicted: formats with more bits per weight first (16 at most),"
                " then balanced"
            )
        case Priority.BALANCED:
            return (
                f"balanced: geometric mean of 1 ÷ {latency}, {OUTPUT_TOKENS_PER_S} and"
                f" 1 ÷ {COST_USD_PER_MTOK} at the load asked for; more is better"
            )


def gain(
    axes: Axes,
    rows: Rows,
    request: Request,
    now: Mapping[str, Band],
    *,
    usd_per_mtok: Band,
    most: Band,
) -> Band:
    """The priority as a logarithm; bands of several figures are added as if they erred together."""
    slow, dear, rate = _log(now[latency_of(request)]), _log(usd_per_mtok), _log(most)
    match request.priority:
        case Priority.LATENCY:
            return _turned(slow)
        case Priority.THROUGHPUT:
            return rate
        case Priority.COST:
            return _turned(dear)
        case Priority.BALANCED:
            return _mean(_turned(slow), rate, _turned(dear))
        case Priority.QUALITY:
            bits = np.array([min(16.0, f.bits_linear) for f in axes.formats])[rows.format]
            balanced = _mean(_turned(slow), rate, _turned(dear))
            return _each(balanced, lambda values: values + bits * QUALITY_STEP)


def _each(band: Band, of: Callable[[Array], Array]) -> Band:
    return Band(value=of(band.value), low=of(band.low), high=of(band.high))


def _log(band: Band) -> Band:
    return _each(band, np.log)


def _turned(band: Band) -> Band:
    return Band(value=-band.value, low=-band.high, high=-band.low)


def _mean(*bands: Band) -> Band:
    count = len(bands)
    return Band(
        value=sum((b.value for b in bands), start=np.zeros(1)) / count,
        low=sum((b.low for b in bands), start=np.zeros(1)) / count,
        high=sum((b.high for b in bands), start=np.zeros(1)) / count,
    )
