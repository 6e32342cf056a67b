"""Looking at stored runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from paceline.app.plan_document import request_document
from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError
from paceline.rank import rank
from paceline.rank.pool import pool
from paceline.records.measurement import Metric
from paceline.records.ranking import Ranked, Ranking
from paceline.records.request import Priority
from paceline.records.run import RunRecord, RunState
from paceline.records.trial import TrialRecord

COMPARED: Final = (
    "output_tokens_per_s",
    "ttft_p95_ms",
    "tpot_mean_ms",
    "e2e_p50_ms",
    "requests_per_s",
    "quality",
    "cost_usd_per_mtok",
    "cost_usd_per_image",
    "peak_memory_gib",
)


def stored_run(run_id: str, shop: Workshop) -> RunRecord:
    """One run as it is now: `stopped` when it was killed. Raises SpecError for an unknown one."""
    return _as_it_is(shop.store.run(run_id), shop.store.abandoned())


def stored_runs(shop: Workshop, *, limit: int) -> tuple[RunRecord, ...]:
    """Runs as they are now, latest first."""
    abandoned = shop.store.abandoned()
    return tuple(_as_it_is(run, abandoned) for run in shop.store.runs(limit=limit))


def _as_it_is(run: RunRecord, abandoned: frozenset[str]) -> RunRecord:
    if run.state is not RunState.RUNNING or run.run_id not in abandoned:
        return run
    return replace(run, state=RunState.STOPPED, detail="its process is gone")


def ranking_of(run: RunRecord, shop: Workshop) -> Ranking:
    """The stored ranking of a finished run, the order so far of another.

    Raises SpecError when nothing was planned yet.
    """
    if run.result is not None:
        return run.result.ranking
    if run.plan is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"run {run.run_id} has nothing to show",
            why="it ended before its plan was made",
            fix=f"paceline optimize --resume {run.run_id}",
        )
    return rank(run.request, run.plan, shop.store.trials(run.run_id))


def contenders(ranking: Ranking, trials: Sequence[TrialRecord]) -> tuple[Ranked, ...]:
    """Those that were measured whole, and those that the outcome names; best first.

    The others were out of the race after their first rung, or the budget was spent.
    """
    whole = {trial.variant.id for trial in trials if trial.cut is None}
    named = {ranking.baseline, ranking.winner, *ranking.tied_with}
    return tuple(one for one in ranking.ranked if one.variant.id in whole | named)


def winner_text(run: RunRecord, ranking: Ranking, trials: Sequence[TrialRecord]) -> str:
    """The winner, and what cannot be told from it; `none` where nothing satisfies."""
    labels = {ranked.variant.id: ranked.variant.label for ranked in ranking.ranked}
    if ranking.winner is None:
        return "none"
    winner = labels[ranking.winner]
    doubts = _doubts(run, ranking, trials)
    if len(doubts) > 1 and all(doubts):
        return (
            f"{winner}, for want of a better reason: no load of the {len(doubts)} variants can be"
            f" trusted, so nothing is told apart ({doubts[0]}); measure again on a quiet machine"
        )
    tied = "; ".join(labels[other] for other in ranking.tied_with)
    return winner + (f"; tied with {tied}" if tied else "")


def _doubts(run: RunRecord, ranking: Ranking, trials: Sequence[TrialRecord]) -> list[str | None]:
    """Why the load of each variant in the order cannot be trusted, best first; `None` if it can."""
    if run.request.priority is Priority.QUALITY:  # which a busy machine does not change
        return []
    pools = [pool(one.variant, trials) for one in ranking.ranked if one.rank is not None]
    return [one.unsound for one in pools if one is not None]


def receipt_path(run: RunRecord, shop: Workshop) -> Path | None:
    """Where the receipt of a finished run lies."""
    return None if run.result is None else shop.places.data / run.result.receipt.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs side by side. `rows` are text cells: variant, metric, both values, change, noise."""

    first: str
    second: str
    differences: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    document: Mapping[str, object]


def compare_runs(first_id: str, second_id: str, shop: Workshop) -> Comparison:
    """What two runs measured of the variants they share, and how their requests differ.

    A change is more than noise when the intervals are apart. Raises SpecError for unknown runs.
    """
    first, second = shop.store.run(first_id), shop.store.run(second_id)
    rankings = [ranking_of(run, shop) for run in (first, second)]
    labels = {ranked.variant.id: ranked.variant.label for ranked in rankings[0].ranked}
    measured = [_by_variant(ranking) for ranking in rankings]
    shared = [variant for variant in measured[0] if variant in measured[1]]
    pairs = [
        (variant, name, measured[0][variant][name], measured[1][variant][name])
        for variant in shared
        for name in COMPARED
        if name in measured[0][variant] and name in measured[1][variant]
    ]
    return Comparison(
        first=first.run_id,
        second=second.run_id,
        differences=_request_differences(first, second),
        rows=tuple(
            _row(labels[variant], name, before, after) for variant, name, before, after in pairs
        ),
        document={
            "first": first.run_id,
            "second": second.run_id,
            "requests_differ": list(_request_differences(first, second)),
            "variants": [
                {
                    "variant": variant,
                    "metric": name,
                    "first": before.value,
                    "second": after.value,
                    "change": change_of(before, after),
                    "more_than_noise": more_than_noise(before, after),
                }
                for variant, name, before, after in pairs
            ],
        },
    )


def _by_variant(ranking: Ranking) -> dict[str, Mapping[str, Metric]]:
    return {ranked.variant.id: ranked.metrics for ranked in ranking.ranked}


def _request_differences(first: RunRecord, second: RunRecord) -> tuple[str, ...]:
    one, other = request_document(first.request), request_document(second.request)
    return tuple(
        f"{key}: {_told(one[key])} / {_told(other[key])}" for key in one if one[key] != other[key]
    )


def _told(value: object) -> str:
    """A value of a request as it would be said; nothing is shown where it asks for nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items() if v is not None) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "–"
    return "–" if value is None else str(value)


def _row(variant: str, name: str, before: Metric, after: Metric) -> tuple[str, ...]:
    change = change_of(before, after)
    apart = more_than_noise(before, after)
    return (
        variant,
        name,
        f"{before.value:,.4g}",
        f"{after.value:,.4g}",
        "–" if change is None else f"{change:+.1%}",
        "unknown" if apart is None else "yes" if apart else "no",
    )


def change_of(before: Metric, after: Metric) -> float | None:
    """From one figure to another, relative to the first; `None` from nothing."""
    return after.value / before.value - 1 if before.value else None


def more_than_noise(before: Metric, after: Metric) -> bool | None:
    """Whether their intervals are apart; `None` where one has none."""
    one, other = before.ci95, after.ci95
    if one is None or other is None:
        return None
    return one.hi < other.lo or other.hi < one.lo
