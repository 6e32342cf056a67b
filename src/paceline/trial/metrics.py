"""From a load summary and what else a trial saw to the named figures of the JSON contract."""

from collections.abc import Mapping
from dataclasses import dataclass

from paceline.money import usd_per_million_tokens, usd_per_month, usd_per_request
from paceline.records.fidelity import Fidelity
from paceline.records.load import LoadSummary
from paceline.records.measurement import Interval, Metric, Stat
from paceline.records.metric_names import (
    COLD_START_S,
    COST_USD_PER_IMAGE,
    COST_USD_PER_MONTH,
    COST_USD_PER_MTOK,
    COST_USD_PER_REQUEST,
    FAILED_SHARE,
    GOODPUT,
    KL_NATS,
    LATENTS_SSIM,
    MEMORY_PERCENT,
    OUTPUT_TOKENS_PER_S,
    PEAK_MEMORY_GIB,
    PERPLEXITY_RATIO,
    PIXELS_SSIM,
    QUALITY,
    QUALITY_LOADED,
    QUALITY_LONG,
    QUALITY_MINE,
    QUALITY_SHARE,
    REQUESTS_PER_S,
    STATISTICS,
    TOP1_AGREEMENT,
    latency_name,
)
from paceline.records.quality import QualityResult
from paceline.records.speculation import SpeculationCounts
from paceline.trial.images.grading import LATENT_SSIM, SSIM
from paceline.trial.speculation import speculation_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a trial saw besides its load. `price_usd_per_hour` is for all its accelerators.

    Of `images`, one per request, nothing is said of tokens.
    """

    peak_memory_gib: float | None
    memory_gib: float
    cold_start_s: float | None
    price_usd_per_hour: float | None
    images: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a trial learned of quality besides its suites; `None` where nothing was asked.

    `time_share` (0–1) is what the quality part took of the whole trial.
    """

    fidelity: Fidelity | None = None
    loaded: QualityResult | None = None
    long: QualityResult | None = None
    time_share: float | None = None


def time_share(quality_s: float | None, wall_s: float) -> float | None:
    """Quality's share of a trial's time."""
    return None if quality_s is None or wall_s <= 0 else quality_s / wall_s


def trial_metrics(
    load: LoadSummary | None,
    quality: QualityResult | None,
    footprint: Footprint,
    *,
    goodput: Metric | None = None,
    speculation: SpeculationCounts | None = None,
    own_quality: QualityResult | None = None,
    beside: Beside | None = None,
) -> dict[str, Metric]:
    """Every figure that could be computed; what is unknown is absent.

    `goodput` is of `trial.slo.goodput`, `None` when no latency was limited.
    """
    found: dict[str, Metric] = speculation_metrics(speculation)
    if goodput is not None:
        found[GOODPUT] = goodput
    if load is not None:
        tokens = not footprint.images
        found |= _latencies(load, tokens=tokens) | _rates(load, tokens=tokens)
        if footprint.price_usd_per_hour is not None:
            found |= _costs(load, footprint.price_usd_per_hour, tokens=tokens)
    beside = beside or Beside()
    found |= _scores(
        {
            QUALITY: quality,
            QUALITY_MINE: own_quality,
            QUALITY_LOADED: beside.loaded,
            QUALITY_LONG: beside.long,
        }
    )
    if quality is not None:
        found |= _likeness(quality)
    if beside.fidelity is not None:
        found |= _closeness(beside.fidelity)
    if beside.time_share is not None:
        found[QUALITY_SHARE] = _reading(beside.time_share, "")
    return found | _single_readings(footprint)


def _scores(results: Mapping[str, QualityResult | None]) -> dict[str, Metric]:
    return {
        name: Metric(value=result.score, unit="", ci95=result.ci95, n=len(result.items))
        for name, result in results.items()
        if result is not None
    }


def _likeness(quality: QualityResult) -> dict[str, Metric]:
    """Of pictures whose latents were told; without those the score says all there is."""
    pairs = [score.figures for score in quality.items if LATENT_SSIM in score.figures]
    if not pairs:
        return {}
    n = len(pairs)
    return {
        name: Metric(value=sum(one[figure] for one in pairs) / n, unit="", ci95=None, n=n)
        for name, figure in ((PIXELS_SSIM, SSIM), (LATENTS_SSIM, LATENT_SSIM))
    }


def _closeness(fidelity: Fidelity) -> dict[str, Metric]:
    n = fidelity.positions
    return {
        KL_NATS: Metric(value=fidelity.mean_kl_nats, unit="nats", ci95=fidelity.mean_kl_ci95, n=n),
        TOP1_AGREEMENT: Metric(
            value=fidelity.top1_agreement, unit="", ci95=fidelity.top1_ci95, n=n
        ),
        PERPLEXITY_RATIO: Metric(value=fidelity.perplexity_ratio, unit="", ci95=None, n=n),
    }


def _latencies(load: LoadSummary, *, tokens: bool) -> dict[str, Metric]:
    stats: dict[str, Stat] = {"e2e": load.e2e_ms, "scheduled_e2e": load.scheduled_e2e_ms}
    if tokens:
        stats |= {
            "ttft": load.ttft_ms,
            "tpot": load.tpot_ms,
            "itl": load.itl_ms,
            "scheduled_ttft": load.scheduled_ttft_ms,
        }
    values = (
        (latency_name(name, statistic), getattr(stat, statistic), stat.ci95.get(statistic), stat.n)
        for name, stat in stats.items()
        for statistic in STATISTICS
    )
    return {
        name: Metric(value=value, unit="ms", ci95=ci95, n=n)
        for name, value, ci95, n in values
        if value is not None
    }


def _rates(load: LoadSummary, *, tokens: bool) -> dict[str, Metric]:
    asked = load.ok + load.failed
    rates = {
        REQUESTS_PER_S: Metric(
            value=load.requests_per_s,
            unit="requests/s",
            ci95=load.requests_per_s_ci95,
            n=load.ok,
        ),
    }
    if tokens:
        rates[OUTPUT_TOKENS_PER_S] = Metric(
            value=load.output_tokens_per_s,
            unit="tokens/s",
            ci95=load.output_tokens_per_s_ci95,
            n=load.ok,
        )
    if asked:
        rates[FAILED_SHARE] = Metric(
            value=load.failed / asked, unit="", ci95=load.failed_share_ci95, n=asked
        )
    return rates


def _costs(load: LoadSummary, price_usd_per_hour: float, *, tokens: bool) -> dict[str, Metric]:
    """Price ÷ rate; the interval is that of the rate, turned round."""
    per_mtok = _inverse(
        load.output_tokens_per_s, load.output_tokens_per_s_ci95, price_usd_per_hour, tokens=True
    )
    per_request = _inverse(
        load.requests_per_s, load.requests_per_s_ci95, price_usd_per_hour, tokens=False
    )
    month = usd_per_month(price_usd_per_hour)
    costs = {
        COST_USD_PER_REQUEST: (per_request, "usd/request"),
        COST_USD_PER_MONTH: ((month, None), "usd/month"),
    }
    if tokens:
        costs[COST_USD_PER_MTOK] = (per_mtok, "usd/mtok")
    else:
        costs[COST_USD_PER_IMAGE] = (per_request, "usd/image")
    return {
        name: Metric(value=found[0], unit=unit, ci95=found[1], n=load.ok)
        for name, (found, unit) in costs.items()
        if found is not None
    }


def _inverse(
    rate: float, ci95: Interval | None, price_usd_per_hour: float, *, tokens: bool
) -> tuple[float, Interval | None] | None:
    cost = usd_per_million_tokens if tokens else usd_per_request
    value = cost(price_usd_per_hour, rate)
    if value is None:
        return None
    lo = None if ci95 is None else cost(price_usd_per_hour, ci95.hi)
    hi = None if ci95 is None else cost(price_usd_per_hour, ci95.lo)
    return value, Interval(lo=lo, hi=hi) if lo is not None and hi is not None else None


def _single_readings(footprint: Footprint) -> dict[str, Metric]:
    readings: dict[str, Metric] = {}
    if footprint.cold_start_s is not None:
        readings[COLD_START_S] = _reading(footprint.cold_start_s, "s")
    if footprint.peak_memory_gib is not None:
        share = 100 * footprint.peak_memory_gib / footprint.memory_gib
        readings[PEAK_MEMORY_GIB] = _reading(footprint.peak_memory_gib, "GiB")
        readings[MEMORY_PERCENT] = _reading(share, "%")
    return readings


def _reading(value: float, unit: str) -> Metric:
    """A value that was seen whole, not estimated from a sample: it has no interval."""
    return Metric(value=value, unit=unit, ci95=None, n=1)
