"""How long trials and a whole search take: before the first, and from those that were done."""

from collections.abc import Sequence
from math import fsum
from typing import Final

from paceline.plan.search.combine import plain
from paceline.plan.search.rules import RULES, Rules
from paceline.records.plan import Plan
from paceline.records.race import Estimate
from paceline.records.request import Workload
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant

START_S: Final = 20.0
"""From launch to the first measured request, and the quality items, where nothing is known yet:
small models on two cores took 5 to 30 s (docs/log.md)."""
LEAST_START_S: Final = 0.5
"""No server starts faster; a budget without room for that is refused."""


def window_s(workload: Workload) -> float:
    """Seconds of one whole window."""
    return float(workload.duration_s)


def expected_s(
    variant: Variant, trials: Sequence[TrialRecord], *, first_s: float = START_S
) -> float:
    """Expected length of a whole trial in seconds: the mean of its own trials, or its engine's.

    Trials that ended early only count while no whole one is known. An engine that was not launched
    yet is expected to take `first_s`, or what the others took when that is less: a slow baseline
    says little of other engines, and what turns out longer than the budget is ended there.
    """
    own = [t for t in trials if t.variant == variant]
    for like in (own, [t for t in trials if t.variant.engine == variant.engine]):
        if like:
            return _mean_s(like)
    return min(first_s, _mean_s(trials)) if trials else first_s


def _mean_s(trials: Sequence[TrialRecord]) -> float:
    whole = [t.wall_s for t in trials if t.cut is None]
    lengths = whole or [t.wall_s for t in trials]
    return fsum(lengths) / len(lengths)


def estimate(
    plan: Plan, workload: Workload, history: Sequence[TrialRecord], rules: Rules = RULES
) -> Estimate:
    """What measuring `plan` will take; `history` are earlier trials of this model and load here.

    The usual search launches what differs in engine, format or place for one rung, goes the whole
    way with a third of them, and repeats two.
    """
    full = window_s(
        workload
    )  # exact sums below: sets have no order, and their last digit would flip
    known = [t for t in history if t.cut is None]
    seen = any(t.variant.engine == plan.baseline.engine for t in known)
    each = {v: expected_s(v, known, first_s=START_S + full) for v in plan.variants}
    kinds = {plain(variant) for variant in plan.variants}
    rungs = fsum(each.get(v, START_S + full) - (1 - rules.rung) * full for v in kinds)
    longest = sorted(each.values(), reverse=True)
    repeats = fsum(longest[:2]) * (rules.repeats - 1) if len(each) > 1 else 0.0
    most = fsum(each.values()) + rules.rung * full * (len(each) - 1) + repeats
    likely = each[plan.baseline] + rungs + full * len(kinds) / 3 + repeats
    least = each[plan.baseline] if seen else LEAST_START_S + full
    return Estimate(
        least_s=least,
        likely_s=min(max(likely, least), most),
        most_s=most,
        variants=len(plan.variants),
        seen=seen,
    )
