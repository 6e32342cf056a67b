"""What to measure next: a pure function of the plan and of what was measured so far.

The order is baseline, every variant at default knobs, changed knobs of the variants that lead,
then fresh launches of the contenders. Because it looks only at stored trials, a resumed run takes
the same decision that the killed one would have taken.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.records.plan import Plan
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.units import format_duration

REPEATS: Final = 2
"""Launches of each contender: run-to-run noise exceeds within-run noise."""

FIRST_TRIAL_S: Final = 60.0
"""Expected length of a trial before any was measured (docs/log.md, first runs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Measure `variant` for the `repeat`-th time (0 is the first)."""

    variant: Variant
    repeat: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Nothing more to measure; `left_out` was still wanted but the budget is spent."""

    because: str
    left_out: tuple[Variant, ...] = ()


def next_step(
    plan: Plan,
    trials: Sequence[TrialRecord],
    *,
    leaders: Sequence[str],
    spent_s: float,
    budget_s: float | None,
) -> Step | Stop:
    """The next trial.

    `leaders` are variant ids, best first, of the interim ranking; its first two are repeated.
    A step is taken only when its expected length, and that of the repeats still owed, fits into
    what is left of `budget_s`; the baseline is always taken.
    """
    launches = Counter(trial.variant.id for trial in trials)
    if not launches[plan.baseline.id]:
        return Step(variant=plan.baseline, repeat=0, because="the baseline is always measured")
    fresh = _by_promise([v for v in plan.variants if not launches[v.id]], leaders)
    repeats = _owed_repeats(plan, launches, leaders)
    left_s = float("inf") if budget_s is None else budget_s - spent_s
    # One variant alone is no contest yet: nothing is reserved for launching it again.
    contest = len(repeats) > 1 or launches.total() > len(launches)
    reserve_s = sum(expected_s(variant, trials) for variant in repeats) if contest else 0.0
    for variant in fresh:
        if expected_s(variant, trials) + reserve_s <= left_s:
            return Step(variant=variant, repeat=0, because="not measured yet")
    for variant in repeats:
        if expected_s(variant, trials) <= left_s:
            count = launches[variant.id]
            return Step(variant=variant, repeat=count, because="a contender needs a second launch")
    if fresh or repeats:
        return Stop(because=f"{format_duration(max(left_s, 0))} of budget left", left_out=(*fresh,))
    return Stop(because="everything was measured")


def expected_s(variant: Variant, trials: Sequence[TrialRecord]) -> float:
    """Expected length of a trial in seconds: the mean of its own, its engine's, or any trials."""
    same = [t.wall_s for t in trials if t.variant.id == variant.id]
    engine = [t.wall_s for t in trials if t.variant.engine == variant.engine]
    lengths = same or engine or [t.wall_s for t in trials] or [FIRST_TRIAL_S]
    return sum(lengths) / len(lengths)


def _by_promise(variants: list[Variant], leaders: Sequence[str]) -> list[Variant]:
    """Default knobs first; changed knobs in the order of the variants they were changed from."""
    place = {variant_id: index for index, variant_id in enumerate(leaders)}
    return sorted(
        variants,
        key=lambda v: (
            v != _plain(v),
            place.get(_plain(v).id, len(place)) if v != _plain(v) else 0,
        ),
    )


def _plain(variant: Variant) -> Variant:
    return replace(variant, knobs=(), speculation=None)


def _owed_repeats(plan: Plan, launches: Counter[str], leaders: Sequence[str]) -> list[Variant]:
    """Contenders interleaved: the one with the fewest launches comes first."""
    by_id = {variant.id: variant for variant in plan.variants}
    contenders = [by_id[leader] for leader in leaders[:2] if leader in by_id]
    owed = [variant for variant in contenders if launches[variant.id] < REPEATS]
    return sorted(owed, key=lambda variant: launches[variant.id])
