"""What the search of a run did: its cost, what it ended early, what it took over, its audits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paceline.app.budget import estimate_document
from paceline.app.wiring import Workshop
from paceline.money import usd_for
from paceline.plan.search import RULES
from paceline.rank.standing import scale
from paceline.records.ranking import Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord
from paceline.units import format_duration

Json = Mapping[str, object]


def search_document(run: RunRecord, ranking: Ranking, shop: Workshop) -> Json:
    """The `search` part of a run's JSON."""
    trials = shop.store.trials(run.run_id)
    own = [trial for trial in trials if trial.origin is None]
    spent = [(trial.wall_s, run.request.usd_per_hour(trial.variant)) for trial in own]
    return {
        "launches": len(own),
        "measured_s": round(sum(trial.wall_s for trial in own), 1),
        "measured_usd": sum(usd_for(wall_s, usd) for wall_s, usd in spent if usd is not None)
        if all(usd is not None for _, usd in spent)
        else None,
        "estimate": None if run.estimate is None else estimate_document(run.estimate, run.request),
        "ended_early": [
            {"variant": t.variant.id, "window_share": t.cut.share, "because": t.cut.because}
            for t in own
            if t.cut is not None
        ],
        "audit": _audit(own, ranking, run),
        "redirected_from": run.redirected_from,
        "understood": list(run.changes),
        "reused": [
            {"variant": t.variant.id, "trial": t.trial_id, "run": t.origin}
            for t in trials
            if t.origin is not None
        ],
    }


def search_lines(run: RunRecord, ranking: Ranking, shop: Workshop) -> list[str]:
    """The same for people, without what there was none of."""
    trials = shop.store.trials(run.run_id)
    own = [trial for trial in trials if trial.origin is None]
    early = sum(trial.cut is not None for trial in own)
    reused = len(trials) - len(own)
    took = format_duration(sum(trial.wall_s for trial in own)) if own else "0 s"
    parts = [f"{len(own)} launches in {took}"]
    parts += [f"{early} ended early"] if early else []
    parts += [f"{reused} of run {run.redirected_from} used again"] if reused else []
    lines = [f"search: {', '.join(parts)}"]
    labels = {ranked.variant.id: ranked.variant.label for ranked in ranking.ranked}
    for check in _checks(own, ranking, run):
        verdict = {True: "rightly", False: "wrongly", None: "unknown whether rightly"}
        lines.append(
            f"audit: {labels.get(check.variant_id, check.variant_id)} was pruned by a guess and"
            f" measured all the same: {verdict[check.rightly_pruned]} pruned"
        )
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """A pruned variant that was measured all the same; figures are values of the objective."""

    variant_id: str
    thought_at_best: float
    needed: float
    measured: float | None
    rightly_pruned: bool | None


def _checks(trials: Sequence[TrialRecord], ranking: Ranking, run: RunRecord) -> list[_Check]:
    less = scale(run.request).less_is_better
    figures = {r.variant: r.objective.value for r in ranking.ranked if r.objective is not None}
    checks = []
    for trial in trials:
        if trial.checked is None:
            continue
        value, needed = figures.get(trial.variant), trial.checked.needed
        checks.append(
            _Check(
                variant_id=trial.variant.id,
                thought_at_best=trial.checked.thought_at_best,
                needed=needed,
                measured=value,
                rightly_pruned=None
                if value is None
                else (value > needed if less else value < needed),
            )
        )
    return checks


def _audit(trials: Sequence[TrialRecord], ranking: Ranking, run: RunRecord) -> Json:
    """Each pruned variant that was launched all the same, and whether it was rightly pruned."""
    return {
        "share_of_pruned": RULES.audit,
        "unit": scale(run.request).unit,
        "launched": [
            {
                "variant": check.variant_id,
                "thought_at_best": check.thought_at_best,
                "needed": check.needed,
                "measured": check.measured,
                "rightly_pruned": check.rightly_pruned,
            }
            for check in _checks(trials, ranking, run)
        ],
    }
