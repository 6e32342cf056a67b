"""What the search of a run did: its cost, what it ended early, what it took over, its audits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paceline.app.budget import estimate_document
from paceline.app.wiring import Workshop
from paceline.money import usd_for
from paceline.plan.search import RULES
from paceline.rank.standing import scale
from paceline.records.measurement import Verdict
from paceline.records.ranking import Ranked, Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import PruningCheck, TrialRecord
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
        limit = check.constraint
        why = "pruned by a guess" if limit is None else f"predicted to miss `{limit}`"
        lines.append(
            f"audit: {labels.get(check.variant_id, check.variant_id)} was {why} and"
            f" measured all the same: {verdict[check.rightly_pruned]} pruned"
        )
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """A pruned variant that was measured all the same; figures are values of the objective, or of
    what the constraint is about."""

    variant_id: str
    constraint: str | None
    thought_at_best: float
    needed: float
    measured: float | None
    rightly_pruned: bool | None


def _checks(trials: Sequence[TrialRecord], ranking: Ranking, run: RunRecord) -> list[_Check]:
    less = scale(run.request).less_is_better
    ranked = {found.variant: found for found in ranking.ranked}
    return [
        _judged(trial, trial.checked, ranked.get(trial.variant), less=less)
        for trial in trials
        if trial.checked is not None
    ]


def _judged(trial: TrialRecord, check: PruningCheck, found: Ranked | None, *, less: bool) -> _Check:
    value, rightly = None, None
    if check.constraint is None:
        if found is not None and found.objective is not None:
            value = found.objective.value
            rightly = value > check.needed if less else value < check.needed
    else:
        verdicts = () if found is None else found.verdicts
        for verdict in (v for v in verdicts if v.constraint.text == check.constraint):
            value = verdict.value
            rightly = {Verdict.FAIL: True, Verdict.PASS: False}.get(verdict.verdict)
    return _Check(
        variant_id=trial.variant.id,
        constraint=check.constraint,
        thought_at_best=check.thought_at_best,
        needed=check.needed,
        measured=value,
        rightly_pruned=rightly,
    )


def _audit(trials: Sequence[TrialRecord], ranking: Ranking, run: RunRecord) -> Json:
    """Each pruned variant that was launched all the same, and whether it was rightly pruned."""
    return {
        "share_of_pruned": RULES.audit,
        "unit": scale(run.request).unit,
        "launched": [
            {
                "variant": check.variant_id,
                "constraint": check.constraint,
                "thought_at_best": check.thought_at_best,
                "needed": check.needed,
                "measured": check.measured,
                "rightly_pruned": check.rightly_pruned,
            }
            for check in _checks(trials, ranking, run)
        ],
    }
