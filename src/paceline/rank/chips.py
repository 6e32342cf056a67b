"""Short texts beside a variant, each backed by its measurements."""

from typing import Final

from paceline.rank.filter import Measured
from paceline.rank.inside import inside_chips
from paceline.rank.objective import Dimensions
from paceline.rank.pool import Pooled
from paceline.records.metric_names import (
    OUTPUT_TOKENS_PER_S,
    PEAK_MEMORY_GIB,
    QUALITY,
    SPECULATION_ACCEPTANCE,
)
from paceline.units import format_gib

TWO_DIGITS: Final = 10  # from here on a decimal would be below the noise


def chips(measured: Measured, dims: Dimensions) -> tuple[str, ...]:
    """Format, speed against the baseline, quality, latency, cost and memory, where measured."""
    pooled = measured.pooled
    found = [*_made_of(pooled, dims), _speed(measured, dims), _quality(measured)]
    latency = pooled.metrics.get(dims.latency)
    if latency is not None:
        name, _, statistic = dims.latency.removesuffix("_ms").rpartition("_")
        found.append(f"{name} {statistic} {_three_digits(latency.value)} ms")
    cost = pooled.metrics.get(dims.cost)
    if cost is not None:
        found.append(f"${cost.value:.3g}/{cost.unit.removeprefix('usd/')}")
    memory = pooled.metrics.get(PEAK_MEMORY_GIB)
    if memory is not None:
        found.append(format_gib(memory.value))
    guessed = pooled.metrics.get(SPECULATION_ACCEPTANCE)
    if guessed is not None:
        found.append(f"{guessed.value:.0%} of guesses right")
    if pooled.variant.unverified:
        found.append("unverified")
    return tuple(chip for chip in found if chip is not None)


def _made_of(pooled: Pooled, dims: Dimensions) -> tuple[str, ...]:
    """Of an image variant what was seen inside it, if anything; its format is only its name."""
    if dims.throughput == OUTPUT_TOKENS_PER_S:
        return (pooled.variant.format,)
    return () if pooled.inspected is None else inside_chips(pooled.inspected)


def _is_baseline(measured: Measured) -> bool:
    return measured.baseline is not None and measured.baseline.variant == measured.pooled.variant


def _speed(measured: Measured, dims: Dimensions) -> str | None:
    if _is_baseline(measured):
        return "baseline"
    own = measured.pooled.metrics.get(dims.throughput)
    base = measured.baseline.metrics.get(dims.throughput) if measured.baseline else None
    if own is None or base is None or base.value <= 0:
        return None
    gain = own.value / base.value
    unit = "tokens/s" if dims.throughput == OUTPUT_TOKENS_PER_S else "images/s"
    return f"{gain:.{0 if gain >= TWO_DIGITS else 1}f}x baseline {unit}"


def _quality(measured: Measured) -> str | None:
    if measured.comparison is not None and not _is_baseline(measured):
        return f"quality {measured.comparison.ratio:.2f}x"
    own = measured.pooled.metrics.get(QUALITY)
    return None if own is None else f"quality {own.value:.2f}"


def _three_digits(value: float) -> str:
    """Three significant digits, and every digit before the point."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004 - three digits
