"""A finished run for people: the order, what was left out, what would help."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from paceline.app.ledger import ledger
from paceline.app.runs import contenders, winner_text
from paceline.cli.output import print_table, print_text
from paceline.cli.run_figures import (
    UNKNOWN,
    Column,
    choice_word,
    columns_for,
    load_text,
    verdict_text,
)
from paceline.rank.inside import inside_notes
from paceline.records.measurement import Metric
from paceline.records.ranking import Ranked, Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord
from paceline.records.variant import RejectionReason


def print_run(
    run: RunRecord,
    ranking: Ranking,
    receipt: Path | None,
    trials: Sequence[TrialRecord],
    *,
    every: bool = False,
) -> None:
    """The ranking as a table, then everything else that was decided.

    Variants that `trials` ended early are only counted, unless `every` one is wanted.
    """
    load = run.request.workload
    title = f"{run.request.model} for {run.request.priority.value}, {load_text(load)}"
    figures = columns_for(load, ranking)
    columns = ("rank", "variant", *(figure.title for figure in figures), "verdict")
    shown = ranking.ranked if every else contenders(ranking, trials)
    print_table(title, columns, [_row(ranked, ranking, figures) for ranked in shown])
    folded_away = len(ranking.ranked) - len(shown)
    if folded_away:
        print_text(f"and {folded_away} ended early: paceline runs show {run.run_id} --all")
    for line in _remarks(run, ranking, trials):
        print_text(line)
    if receipt is not None:
        typer.echo(f"receipt: {receipt}")


def _row(ranked: Ranked, ranking: Ranking, figures: Sequence[Column]) -> tuple[str, ...]:
    return (
        UNKNOWN if ranked.rank is None else str(ranked.rank),
        ranked.variant.label + (" (baseline)" if ranked.variant.id == ranking.baseline else ""),
        *(_number(ranked.metrics.get(figure.metric), figure.form) for figure in figures),
        verdict_text(ranked),
    )


def _number(metric: Metric | None, form: str) -> str:
    return UNKNOWN if metric is None else format(metric.value, form)


def _remarks(run: RunRecord, ranking: Ranking, trials: Sequence[TrialRecord]) -> list[str]:
    if ranking.ranked:
        lines = [
            f"order: {ranking.formula}",
            f"{choice_word(run)}: {winner_text(run, ranking, trials)}",
        ]
    else:
        lines = ["nothing was measured to its end"]
    winner = next((r for r in ranking.ranked if r.variant.id == ranking.winner), None)
    if winner is not None:
        if winner.chips:
            lines.append(f"        {' / '.join(winner.chips)}")
        if winner.inspected is not None:
            lines += [f"        {note}" for note in inside_notes(winner.inspected)]
    if ranking.rejected:
        reasons = Counter(entry.rejection.reason.value for entry in ledger(ranking.rejected))
        counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        lines.append(f"left out: {counted} (each with its reason in --json)")
    lines += [
        f"kept out: {rejection.variant.label}: {rejection.detail}"
        for rejection in ranking.rejected
        if rejection.reason is RejectionReason.SPECULATION_DOES_NOT_PAY
    ]
    lines += [f"advice: {advice.text}" for advice in ranking.advice]
    return lines
