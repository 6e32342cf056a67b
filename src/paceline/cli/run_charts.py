"""Charts of a run, as text that a page can hold."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from paceline.cli.html import Bar, bars
from paceline.cli.svg import Axis, Dot, axis, log_axis, points
from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric
from paceline.records.plan import Predicted
from paceline.records.ranking import Ranked, Ranking
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection

DECADE: Final = 10.0
"""Figures that differ by more than this are told apart on powers of ten only."""
ROOM: Final = 0.05
"""Below the least figure, as a share of the axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A figure of the ranking, its name in a title, and what its axis is called."""

    metric: str
    name: str
    label: str


TTFT: Final = Shown(metric="ttft_p95_ms", name="TTFT p95", label="TTFT p95, ms")
THROUGHPUT: Final = Shown(
    metric="output_tokens_per_s", name="output tokens/s", label="output tokens/s"
)
COST: Final = Shown(metric="cost_usd_per_mtok", name="cost", label="USD per million output tokens")
QUALITY: Final = Shown(metric="quality", name="quality", label="quality, 0–1")
E2E: Final = Shown(metric="e2e_p50_ms", name="e2e p50", label="e2e p50, ms")
REQUESTS: Final = Shown(metric="requests_per_s", name="images/s", label="images/s")
IMAGE_COST: Final = Shown(metric="cost_usd_per_image", name="cost", label="USD per image")


def trade_off(ranking: Ranking, across: Shown, up: Shown) -> str:
    """Two figures of every variant with their 95 % intervals; the Pareto front is filled.

    Numbers are places in the ranking, letters are of variants that fail a constraint. Empty
    when fewer than two variants have both figures.
    """
    dots = [
        _dot(mark, ranked, ranked.metrics[across.metric], ranked.metrics[up.metric], ranking)
        for mark, ranked in zip(marks(ranking), ranking.ranked, strict=True)
        if across.metric in ranked.metrics and up.metric in ranked.metrics
    ]
    if len(dots) < 2:  # noqa: PLR2004 - one dot is no trade-off
        return ""
    return points(
        dots,
        title=f"{up.name} against {across.name}",
        x=_fitted([dot.x for dot in dots], [dot.x_span for dot in dots], across.label),
        y=_fitted([dot.y for dot in dots], [dot.y_span for dot in dots], up.label),
    )


def marks(ranking: Ranking) -> tuple[str, ...]:
    """What each variant is called in the charts, in the order of the ranking."""
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    return tuple(
        str(ranked.rank) if ranked.rank is not None else next(letters, "·")
        for ranked in ranking.ranked
    )


def predicted_against_measured(
    predictions: Sequence[Predicted], ranking: Ranking, figure: Shown
) -> str:
    """Each variant's prediction with its 90 % band over what was measured; empty without any."""
    by_id = {found.variant_id: found.metrics for found in predictions}
    dots = []
    for mark, ranked in zip(marks(ranking), ranking.ranked, strict=True):
        predicted = by_id.get(ranked.variant.id, {}).get(figure.metric)
        measured = ranked.metrics.get(figure.metric)
        if predicted is None or measured is None or min(predicted.value, measured.value) <= 0:
            continue
        band = predicted.band90
        dots.append(
            Dot(
                x=measured.value,
                y=predicted.value,
                label=mark,
                kind="other" if band.lo <= measured.value <= band.hi else "missed",
                about=ranked.variant.label,
                y_span=_above_zero(predicted.value, band),
            )
        )
    if not dots:
        return ""
    ends = [end for dot in dots for end in (dot.x, dot.y, *_ends(dot.y_span))]
    return points(
        dots,
        title=f"Predicted against measured: {figure.name}",
        x=log_axis(ends, "measured"),
        y=log_axis(ends, "predicted, 90 % band"),
        level=True,
    )


def left_out(rejected: Sequence[Rejection]) -> str:
    """How many variants were left out for which reason; empty when none was."""
    counts = Counter(rejection.reason.value for rejection in rejected).most_common()
    return bars(
        [
            Bar(name=name, figure=f"{count:,}", parts=(("other", 0.0, count),))
            for name, count in counts
        ]
    )


def timeline(trials: Sequence[TrialRecord]) -> str:
    """When each trial began and how long it took, its cold start apart; empty without trials.

    Those taken over from an earlier run, which began before this one, are named below.
    """
    own = [trial for trial in trials if trial.origin is None]
    began = [datetime.fromisoformat(trial.provenance.started_at_utc) for trial in own]
    rows = []
    for trial, at in zip(own, began, strict=True):
        start_s = (at - min(began)).total_seconds()
        cold_s = min(trial.cold_start.total_s or 0.0, trial.wall_s)
        kind = "other" if trial.cause is Cause.FINISHED else "missed"
        measured = kind, start_s + cold_s, start_s + trial.wall_s
        parts = (("cold", start_s, start_s + cold_s), measured)
        rows.append(Bar(name=_name(trial), figure=f"{trial.wall_s:.0f} s", parts=parts))
    return bars(rows) + "".join(_taken_over(trials))


def _taken_over(trials: Sequence[TrialRecord]) -> Iterator[str]:
    """A line for each run that trials are from."""
    for origin in dict.fromkeys(trial.origin for trial in trials if trial.origin is not None):
        names = [_name(trial) for trial in trials if trial.origin == origin]
        told = f"{len(names)} taken over from {origin}: {'; '.join(names)}"
        yield f'<p class="soft">{escape(told)}</p>'


def _name(trial: TrialRecord) -> str:
    return trial.variant.label + (f", launch {trial.repeat + 1}" if trial.repeat else "")


def _dot(mark: str, ranked: Ranked, across: Metric, up: Metric, ranking: Ranking) -> Dot:
    winner = ranked.variant.id == ranking.winner
    kind = "missed" if ranked.rank is None else "best" if winner else "other"
    on_front = ranked.variant.id in ranking.pareto
    return Dot(
        x=across.value,
        y=up.value,
        label=mark,
        kind=kind if on_front else f"{kind} hollow",
        about=ranked.variant.label,
        x_span=across.ci95,
        y_span=up.ci95,
    )


def _fitted(values: Sequence[float], spans: Sequence[Interval | None], label: str) -> Axis:
    """An axis with room for values and intervals, of powers of ten where they differ by more."""
    ends = [*values, *(end for span in spans for end in _ends(span))]
    if min(ends) > 0 and max(values) / min(values) > DECADE:
        return log_axis(ends, label)
    room = (max(ends) - min(ends)) * ROOM
    return axis([*ends, min(ends) - room], label, from_zero=False)


def _ends(span: Interval | None) -> tuple[float, ...]:
    return () if span is None else (span.lo, span.hi)


def _above_zero(value: float, band: Interval) -> Interval:
    """A band as far as an axis of powers of ten can show it."""
    return Interval(lo=band.lo if band.lo > 0 else value, hi=band.hi)
