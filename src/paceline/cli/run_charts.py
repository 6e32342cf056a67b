"""Charts of a run, drawn by matplotlib as SVG that a page can hold.

matplotlib is an extra (`paceline[report]`): with it the core would be larger by half.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from paceline.errors import Code, SetupError
from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric
from paceline.records.plan import Predicted
from paceline.records.ranking import Ranked, Ranking
from paceline.records.trial import TrialRecord
from paceline.records.variant import Rejection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE: Final = "#1f6feb"
GOOD: Final = "#1a7f37"
BAD: Final = "#cf222e"
SOFT: Final = "#8b96a5"
START: Final = "#d29922"
SIZE_IN: Final = (5.2, 3.6)
STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
    "svg.hashsalt": "paceline",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "grid.color": "#d9dee6",
    "grid.linewidth": 0.6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A figure of the ranking as an axis."""

    metric: str
    label: str


TTFT: Final = Axis(metric="ttft_p95_ms", label="TTFT p95, ms")
THROUGHPUT: Final = Axis(metric="output_tokens_per_s", label="output tokens/s")
COST: Final = Axis(metric="cost_usd_per_mtok", label="USD per million output tokens")
QUALITY: Final = Axis(metric="quality", label="quality, 0–1")
E2E: Final = Axis(metric="e2e_p50_ms", label="e2e p50, ms")
REQUESTS: Final = Axis(metric="requests_per_s", label="images/s")
IMAGE_COST: Final = Axis(metric="cost_usd_per_image", label="USD per image")


def trade_off(ranking: Ranking, across: Axis, up: Axis) -> str:
    """Two figures of every variant with their 95 % intervals; the Pareto front is filled.

    Numbers are places in the ranking, letters are of variants that fail a constraint. Empty
    when fewer than two variants have both figures.
    """
    shown = [
        (mark, ranked)
        for mark, ranked in zip(marks(ranking), ranking.ranked, strict=True)
        if across.metric in ranked.metrics and up.metric in ranked.metrics
    ]
    if len(shown) < 2:  # noqa: PLR2004 - one dot is no trade-off
        return ""
    figure, axes = _figure(f"{up.label.split(',')[0]} against {across.label.split(',')[0]}")
    for mark, ranked in shown:
        _dot(axes, mark, ranked, ranked.metrics[across.metric], ranked.metrics[up.metric], ranking)
    axes.set_xlabel(across.label)
    axes.set_ylabel(up.label)
    values = [ranked.metrics[across.metric].value for _, ranked in shown]
    if min(values) > 0 and max(values) / min(values) > 10:  # noqa: PLR2004 - more than a decade
        axes.set_xscale("log")
    axes.grid(visible=True)
    return _svg(figure)


def marks(ranking: Ranking) -> tuple[str, ...]:
    """What each variant is called in the charts, in the order of the ranking."""
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    return tuple(
        str(ranked.rank) if ranked.rank is not None else next(letters, "·")
        for ranked in ranking.ranked
    )


def predicted_against_measured(
    predictions: Sequence[Predicted], ranking: Ranking, axis: Axis
) -> str:
    """Each variant's prediction with its 90 % band over what was measured; empty without any."""
    by_id = {found.variant_id: found.metrics for found in predictions}
    pairs = [
        (by_id[ranked.variant.id][axis.metric], ranked.metrics[axis.metric])
        for ranked in ranking.ranked
        if axis.metric in by_id.get(ranked.variant.id, {}) and axis.metric in ranked.metrics
    ]
    if not pairs:
        return ""
    figure, axes = _figure(f"Predicted against measured: {axis.label}")
    for predicted, measured in pairs:
        band = predicted.band90
        held = band.lo <= measured.value <= band.hi
        axes.errorbar(
            [measured.value],
            [predicted.value],
            yerr=_reach(predicted.value, band),
            fmt="o",
            color=LINE if held else BAD,
            markersize=4,
            elinewidth=1,
        )
    ends = [m.value for _, m in pairs] + [p.value for p, _ in pairs]
    axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color=SOFT, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("measured")
    axes.set_ylabel("predicted, 90 % band")
    axes.grid(visible=True)
    return _svg(figure)


def left_out(rejected: Sequence[Rejection]) -> str:
    """How many variants were left out for which reason; empty when none was."""
    counts = Counter(rejection.reason.value for rejection in rejected).most_common()
    if not counts:
        return ""
    figure, axes = _figure("Left out, by reason", height_in=0.9 + 0.32 * len(counts))
    names = [name for name, _ in reversed(counts)]
    bars = axes.barh(names, [count for _, count in reversed(counts)], color=LINE, height=0.6)
    axes.bar_label(bars, padding=3)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    return _svg(figure)


def timeline(trials: Sequence[TrialRecord]) -> str:
    """When each trial began and how long it took, its cold start apart; empty without trials."""
    if not trials:
        return ""
    began = [datetime.fromisoformat(trial.provenance.started_at_utc) for trial in trials]
    figure, axes = _figure("Trials over time", height_in=1.0 + 0.22 * len(trials), width_in=8.4)
    for row, (trial, at) in enumerate(zip(trials, began, strict=True)):
        start_s = (at - min(began)).total_seconds()
        cold_s = min(trial.cold_start.total_s or 0.0, trial.wall_s)
        fine = trial.cause is Cause.FINISHED
        axes.barh(row, trial.wall_s, left=start_s, color=LINE if fine else BAD, height=0.7)
        axes.barh(row, cold_s, left=start_s, color=START, height=0.7)
    axes.set_yticks(range(len(trials)), [_name(trial) for trial in trials])
    axes.invert_yaxis()
    axes.set_xlabel("s; yellow: cold start, blue: measured, red: did not finish")
    axes.grid(visible=True, axis="x")
    return _svg(figure)


def _name(trial: TrialRecord) -> str:
    return trial.variant.label + (f", launch {trial.repeat + 1}" if trial.repeat else "")


def _dot(
    axes: "Axes", mark: str, ranked: Ranked, across: Metric, up: Metric, ranking: Ranking
) -> None:
    failed = ranked.rank is None
    colour = BAD if failed else GOOD if ranked.variant.id == ranking.winner else LINE
    on_front = ranked.variant.id in ranking.pareto
    axes.errorbar(
        [across.value],
        [up.value],
        xerr=_reach(across.value, across.ci95),
        yerr=_reach(up.value, up.ci95),
        fmt="o",
        color=colour,
        markerfacecolor=colour if on_front else "white",
        markersize=6,
        elinewidth=1,
    )
    axes.annotate(
        mark, (across.value, up.value), xytext=(5, 4), textcoords="offset points", color=colour
    )


def _reach(value: float, interval: Interval | None) -> list[list[float]] | None:
    """How far an interval reaches to both sides of its value, as matplotlib wants it."""
    if interval is None:
        return None
    return [[max(value - interval.lo, 0.0)], [max(interval.hi - value, 0.0)]]


def _figure(
    title: str, *, height_in: float = SIZE_IN[1], width_in: float = SIZE_IN[0]
) -> "tuple[Figure, Axes]":
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise SetupError(
            Code.MISSING_TOOL,
            "the report needs matplotlib",
            why=f"it is not part of the core: {error}",
            fix="pip install 'paceline[report]'",
        ) from error
    mpl.rcParams.update(STYLE)
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def _svg(figure: "Figure") -> str:
    """The drawing without the XML head, as wide as its card."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace("<svg ", '<svg class="plot" role="img" ', 1)
