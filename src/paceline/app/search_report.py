"""What the search of a run did: its cost, what it ended early, what it took over, its audits."""

from collections.abc import Mapping, Sequence

from paceline.app.budget import estimate_document
from paceline.app.wiring import Workshop
from paceline.money import usd_for
from paceline.plan.search import RULES
from paceline.rank.standing import scale
from paceline.records.ranking import Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord

Json = Mapping[str, object]


def search_document(run: RunRecord, ranking: Ranking, shop: Workshop) -> Json:
    """The `search` part of a run's JSON."""
    trials = shop.store.trials(run.run_id)
    own = [trial for trial in trials if trial.origin is None]
    price = run.request.price_usd_per_hour
    return {
        "launches": len(own),
        "measured_s": round(sum(trial.wall_s for trial in own), 1),
        "measured_usd": None
        if price is None
        else sum(usd_for(trial.wall_s, price * trial.variant.count) for trial in own),
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


def _audit(trials: Sequence[TrialRecord], ranking: Ranking, run: RunRecord) -> Json:
    """Each pruned variant that was launched all the same, and whether it was rightly pruned."""
    turn = scale(run.request)
    figures = {r.variant: r.objective.value for r in ranking.ranked if r.objective is not None}
    checks = []
    for trial in trials:
        if trial.checked is None:
            continue
        value = figures.get(trial.variant)
        worse = None
        if value is not None:
            needed = trial.checked.needed
            worse = value > needed if turn.less_is_better else value < needed
        checks.append(
            {
                "variant": trial.variant.id,
                "thought_at_best": trial.checked.thought_at_best,
                "needed": trial.checked.needed,
                "measured": value,
                "unit": turn.unit,
                "rightly_pruned": worse,
            }
        )
    return {"share_of_pruned": RULES.audit, "launched": checks}
