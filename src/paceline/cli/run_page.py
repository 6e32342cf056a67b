"""A run as one self-contained page: order, trade-offs, predictions, what was left out, when."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from paceline.app.image_samples import Sample
from paceline.app.ledger import Entry, ledger
from paceline.app.runs import winner_text
from paceline.cli.html import cards, folded, page, section, table, tiles
from paceline.cli.run_charts import (
    left_out,
    marks,
    predicted_against_measured,
    timeline,
    trade_off,
)
from paceline.cli.run_figures import (
    UNKNOWN,
    Column,
    charts_of,
    choice_word,
    columns_for,
    columns_of,
    load_text,
    verdict_text,
)
from paceline.cli.run_pictures import pictures_section
from paceline.records.measurement import Metric
from paceline.records.ranking import Ranked, Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord

WORDS: Final = frozenset({"variant", "variants", "verdict", "reason", "detail", "have", "need"})
LEGEND: Final = (
    '<p class="soft">Bars are 95 % intervals. Filled: on the Pareto front of latency, cost and'
    " quality. Green: the winner; red, with a letter: fails a constraint.</p>"
)
PREDICTED_LEGEND: Final = (
    '<p class="soft">Numbers and letters are those of the ranking. On the line the prediction is'
    " right; red: the band does not hold what was measured.</p>"
)
TRIALS_LEGEND: Final = (
    '<p class="soft">From left to right as they were launched. Yellow: cold start; blue: measured;'
    " red: did not finish.</p>"
)
VARIANT_ID: Final = re.compile(r"[\w.-]+-[0-9a-f]{6}\b")
TILES: Final = 5
GROUNDS_SHOWN: Final = 100
LABELS_SHOWN: Final = 4


def run_page(
    run: RunRecord,
    ranking: Ranking,
    trials: Sequence[TrialRecord],
    samples: Sequence[Sample] = (),
) -> str:
    """The whole page; `samples` are pictures to look at."""
    request = run.request
    title = f"{request.model} for {request.priority.value}"
    about = (
        f"run {run.run_id} · {run.state.value} · {load_text(request.workload)} · Paceline"
        f" {run.software_version}"
    )
    body = "".join(
        (
            f"<h1>{escape(title)}</h1>",
            f'<p class="soft">{escape(about)}</p>',
            *(f"<p>{escape(line)}</p>" for line in _said(run, ranking, trials)),
            tiles(_tiles(run, ranking, columns_of(request.workload))),
            pictures_section(samples),
            *_sections(run, ranking, trials),
        )
    )
    return page(title, body)


def _said(run: RunRecord, ranking: Ranking, trials: Sequence[TrialRecord]) -> Iterator[str]:
    if run.request.constraints:
        yield "Constraints: " + "; ".join(c.text for c in run.request.constraints)
    if not ranking.ranked:
        yield "Nothing was measured yet."
    elif ranking.winner is None:
        yield "No variant satisfies every constraint."
    else:
        yield f"{choice_word(run).capitalize()}: {winner_text(run, ranking, trials)}"
    for advice in ranking.advice:
        yield advice.text


def _tiles(
    run: RunRecord, ranking: Ranking, figures: Sequence[Column]
) -> Iterator[tuple[str, str]]:
    winner = next((r for r in ranking.ranked if r.variant.id == ranking.winner), None)
    if winner is not None:
        yield choice_word(run), winner.variant.label
        for figure in figures[:TILES]:
            known = winner.metrics.get(figure.metric)
            yield figure.title, UNKNOWN if known is None else format(known.value, figure.form)
    yield "measured", f"{len(ranking.ranked)}"
    yield "left out", f"{len(ledger(ranking.rejected))}"


def _sections(run: RunRecord, ranking: Ranking, trials: Sequence[TrialRecord]) -> Iterator[str]:
    figures = columns_for(run.request.workload, ranking, every=True)
    columns = ("", "variant", *(figure.title for figure in figures), "verdict")
    rows = [
        _row(mark, ranked, ranking, figures)
        for mark, ranked in zip(marks(ranking), ranking.ranked, strict=True)
    ]
    caption = f"Order: {ranking.formula}"
    if rows:
        ordered = table(columns, rows, words=WORDS, caption=caption)
        yield section("Ranking", ordered + _notes(ranking))
    charts = charts_of(run.request.workload)
    fronts = [trade_off(ranking, across, up) for across, up in charts.trade_offs]
    if any(fronts):
        yield section("Trade-offs", cards(fronts) + LEGEND)
    predictions = run.plan.predictions if run.plan else ()
    compared = [predicted_against_measured(predictions, ranking, one) for one in charts.predicted]
    if any(compared):
        yield section("Predictions", cards(compared) + PREDICTED_LEGEND)
    if trials:
        drawn = any(trial.origin is None for trial in trials)
        yield section("Trials", timeline(trials) + (TRIALS_LEGEND if drawn else ""))
    entries = ledger(ranking.rejected)
    if entries:
        counts = left_out([entry.rejection for entry in entries])
        yield section("Left out", counts + _rejections(entries))


def _notes(ranking: Ranking) -> str:
    """What should be known of each place, below the table: there it would make the rows tall."""
    labels = {ranked.variant.id: ranked.variant.label for ranked in ranking.ranked}

    def told(notes: Sequence[str]) -> str:
        """Variants by their label: notes are part of a receipt, where an id is what is needed."""
        return VARIANT_ID.sub(lambda found: labels.get(found[0], found[0]), "; ".join(notes))

    lines = "".join(
        f'<p class="soft">{escape(mark)}: {escape(told(ranked.notes))}</p>'
        for mark, ranked in zip(marks(ranking), ranking.ranked, strict=True)
        if ranked.notes
    )
    return folded("Why each has its place", lines) if lines else ""


def _rejections(entries: Sequence[Entry]) -> str:
    """Variants that were left out for the very same reason share a line."""
    alike: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        r = entry.rejection
        ground = (r.reason.value, r.detail, r.have or UNKNOWN, r.need or UNKNOWN)
        alike.setdefault(ground, []).append(entry)
    rows = [
        (reason, f"{sum(e.variants for e in found):,}", _some(found), detail, have, need)
        for (reason, detail, have, need), found in list(alike.items())[:GROUNDS_SHOWN]
    ]
    more = len(alike) - len(rows)
    caption = f"{more:,} more reasons are in `paceline runs show --json`." if more else ""
    columns = ("reason", "number", "variants", "detail", "have", "need")
    return folded("Each reason", table(columns, rows, words=WORDS, caption=caption))


def _some(entries: Sequence[Entry]) -> str:
    shown = "; ".join(entry.rejection.variant.label for entry in entries[:LABELS_SHOWN])
    return f"{shown}; …" if len(entries) > LABELS_SHOWN else shown


def _row(mark: str, ranked: Ranked, ranking: Ranking, figures: Sequence[Column]) -> tuple[str, ...]:
    baseline = " (baseline)" if ranked.variant.id == ranking.baseline else ""
    return (
        mark,
        ranked.variant.label + baseline,
        *(_figure(ranked.metrics.get(figure.metric), figure.form) for figure in figures),
        verdict_text(ranked),
    )


def _figure(metric: Metric | None, form: str) -> str:
    """A value and, below it, half its 95 % interval as a share of it."""
    if metric is None:
        return UNKNOWN
    text = format(metric.value, form)
    if metric.ci95 is None:
        return text
    half = (metric.ci95.hi - metric.ci95.lo) / 2
    return f"{text}\n± {half / abs(metric.value):.1%}" if metric.value else text
