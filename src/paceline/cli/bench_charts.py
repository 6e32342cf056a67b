"""The charts of a load test: which figures are drawn, and how they are cut to be readable."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from paceline.app.bench import BenchPoint, BenchReport
from paceline.app.bench_document import level_name
from paceline.cli.svg import Dot, Mark, bars, cloud, line, scatter
from paceline.records.measurement import Stat
from paceline.records.metric_names import LATENCIES, SCHEDULED
from paceline.records.request import Constraint
from paceline.records.samples import Floats
from paceline.trial.series import over_time, points
from paceline.trial.timeline import Timings, gaps_ms

BINS: Final = 36
TAIL_FACTOR: Final = 1.25
"""The axis ends this far beyond p99; what lies further is counted in the title."""
NARROWEST: Final = 0.02
"""Values nearer to each other than this share are drawn as one bar, not as a full axis."""
PERCENTILES: Final = ("p50", "p95", "p99")


def latency_charts(report: BenchReport, shown: BenchPoint) -> Iterator[str]:
    """One histogram per latency that was measured."""
    summary, samples = shown.summary, shown.result.samples
    times = Timings(samples)
    window = times.ok & (samples.scheduled_s >= summary.window_start_s)
    gaps = gaps_ms(samples, window)
    if shown.open_loop:
        first = ("Time to first token, from the schedule", "ttft", times.scheduled_ttft_ms[window])
        whole = ("Whole request, from the schedule", "e2e", times.scheduled_e2e_ms[window])
        stats = [summary.scheduled_ttft_ms, summary.tpot_ms, summary.itl_ms]
        stats.append(summary.scheduled_e2e_ms)
    else:
        first = ("Time to first token", "ttft", times.ttft_ms[window])
        whole = ("Whole request", "e2e", times.e2e_ms[window])
        stats = [summary.ttft_ms, summary.tpot_ms, summary.itl_ms, summary.e2e_ms]
    each = (
        first,
        ("Time per output token", "tpot", times.tpot_ms[window]),
        ("Gap between chunks", "itl", gaps),
        whole,
    )
    for (title, metric, values), stat in zip(each, stats, strict=True):
        limits = [c for c in report.request.constraints if c.metric == metric]
        known = values[~np.isnan(values)]
        if len(known):
            counted = "gaps" if metric == "itl" else "requests"
            yield _histogram(title, known, stat, limits, counted=counted)


def timeline_charts(report: BenchReport, shown: BenchPoint) -> Iterator[str]:
    """Time to the first token of every request, by when it was sent."""
    times = Timings(shown.result.samples)
    values = times.scheduled_ttft_ms if shown.open_loop else times.ttft_ms
    found = points(shown.result.samples, values)
    yield cloud(
        found.at_s,
        found.values_ms,
        title="Time to first token of each request",
        x_label="s since the start",
        y_label="ms",
        failed_at=found.failed_at_s,
        marks=_limits(c for c in report.request.constraints if c.metric == "ttft"),
    )


def load_charts(shown: BenchPoint) -> Iterator[str]:
    """Throughput and requests in flight over time."""
    series = over_time(shown.result.samples)
    if series is None:
        return
    middles = [(a + b) / 2 for a, b in zip(series.edges_s, series.edges_s[1:], strict=False)]
    for title, values, unit in (
        ("Output tokens per second", series.tokens_per_s, "tokens/s"),
        ("Requests in flight", series.in_flight, "requests"),
    ):
        yield line(middles, values, title=title, x_label="s since the start", y_label=unit)


def search_charts(report: BenchReport) -> Iterator[str]:
    """The last probe of every level: latency against throughput, and each against the level."""
    constraint = _first_latency(report.request.constraints)
    metric = constraint.metric if constraint else "ttft"
    statistic = (constraint.statistic if constraint else None) or "p95"
    limits = _limits([constraint] if constraint else [])
    tokens = any(point.summary.output_tokens_per_s for point in report.points)
    rate_label = "output tokens/s" if tokens else "requests/s"
    unit = level_name(report.request)
    by_rate, by_level, rates = [], [], []
    last = {point.level or 0.0: point for point in report.points}
    for level, point in sorted(last.items()):
        summary, label, kind = point.summary, f"{level:.4g}", point.verdict.value
        rate = summary.output_tokens_per_s if tokens else summary.requests_per_s
        rates.append(Dot(x=level, y=rate, label=label, kind=kind))
        value = _of(_stat(point, metric), statistic)
        if value is not None:
            by_rate.append(Dot(x=rate, y=value, label=label, kind=kind))
            by_level.append(Dot(x=level, y=value, label=label, kind=kind))
    name = f"{metric.upper()} {statistic}"
    for dots, title, x_label, y_label, marks in (
        (by_rate, f"{name} against throughput", rate_label, "ms", limits),
        (by_level, f"{name} against {unit}", unit, "ms", limits),
        (rates, f"Throughput against {unit}", unit, rate_label, []),
    ):
        yield scatter(dots, title=title, x_label=x_label, y_label=y_label, marks=marks)


def _histogram(
    title: str, values: Floats, stat: Stat, limits: list[Constraint], *, counted: str
) -> str:
    named = {name: _of(stat, name) for name in PERCENTILES}
    high = float(np.quantile(values, 0.99)) * TAIL_FACTOR
    low = float(values.min())
    kept = values[values <= max(high, low)]
    span = max(float(kept.max()) - low, NARROWEST * low, 1e-6)
    counts, edges = np.histogram(kept, bins=BINS, range=(low, low + span))
    beyond = len(values) - len(kept)
    told = f"{title} ({beyond} above {high:.4g} ms)" if beyond else title
    marks = [
        Mark(value=value, label=f"{name} {value:.4g}", kind="percentile")
        for name, value in named.items()
        if value is not None and value <= low + span
    ]
    near = [c for c in limits if low - span <= c.limit <= low + 2 * span]
    return bars(
        counts.tolist(),
        edges.tolist(),
        title=told,
        x_label="ms",
        y_label=counted,
        marks=[*marks, *_limits(near)],
    )


def _limits(constraints: Iterable[Constraint]) -> list[Mark]:
    return [Mark(value=c.limit, label=c.text, kind="limit") for c in constraints]


def _first_latency(constraints: Iterable[Constraint]) -> Constraint | None:
    return next((c for c in constraints if c.metric in LATENCIES), None)


def _stat(point: BenchPoint, metric: str) -> Stat:
    """The figure that a constraint on `metric` is judged by."""
    summary = point.summary
    stats = {
        "ttft": summary.ttft_ms,
        "tpot": summary.tpot_ms,
        "itl": summary.itl_ms,
        "e2e": summary.e2e_ms,
        "scheduled_ttft": summary.scheduled_ttft_ms,
        "scheduled_e2e": summary.scheduled_e2e_ms,
    }
    return stats[SCHEDULED.get(metric, metric) if point.open_loop else metric]


def _of(stat: Stat, statistic: str) -> float | None:
    """One statistic of a Stat by its name in the grammar."""
    return {
        "mean": stat.mean,
        "p50": stat.p50,
        "p90": stat.p90,
        "p95": stat.p95,
        "p99": stat.p99,
        "max": stat.max,
    }[statistic]
