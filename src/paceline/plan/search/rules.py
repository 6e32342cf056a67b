"""The settings of the search in one place, and the two answers it gives."""

from dataclasses import dataclass, field
from typing import Final

from paceline.plan.search.guess import Effects, Noise
from paceline.records.variant import Rejection, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Chosen on half of the replayed sweeps, judged on the others (`benchmarks/search.py`)."""

    optimism: float = 2.5
    """Standard deviations above its guess up to which a variant may still turn out to be."""
    optimism_told: float = 1.3
    """The same where a prediction of its own speaks too: it is left out only when it stays below
    the bar by both. Guesses alone had to be more optimistic, took longer, and left out the best
    now and then (docs/log.md)."""
    reach_told: float = 2.33
    """Standard deviations above that prediction, whatever the trials of others say: the upper end
    of its 98 % band, if it tells a speed within a factor of two. A vaguer one has no say against
    trials. At 1.96, which takes half a point less time, the best was left out once in 1,700."""
    rung_optimism: float = 1.64
    """The same after a first rung, when it was seen."""
    apart: float = 1.96
    """Standard deviations that tell a winner from its runner-up; below, both are launched again."""
    worth: float = 0.02
    """A gain below this is not worth a launch: runs of one variant differ by as much."""
    rung: float = 1 / 6
    """Share of the window after which a trial that is out of the race ends."""
    repeats: int = 3
    """Most launches of a contender: run-to-run noise exceeds within-run noise. With 2 the best of
    sweeps recorded on two cores was missed by more than 2 % once in sixteen (docs/log.md)."""
    audit: float = 0.02
    """Share of the variants pruned by a guess or a prediction that are launched all the same."""
    effects: Effects = field(default_factory=Effects)
    noise: Noise = field(default_factory=Noise)


RULES: Final = Rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A variant that is not launched because its optimistic guess stays below the bar (scores)."""

    variant: Variant
    optimistic: float
    bar: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Measure `variant` for the `repeat`-th time (0 is the first).

    The trial ends after the first rung when its optimistic score stays below `must_reach`;
    `None` measures the whole window. `audits` is set when a guess had pruned it, or the plan
    because its prediction misses a limit.
    """

    variant: Variant
    repeat: int
    because: str
    must_reach: float | None = None
    audits: Pruned | Rejection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Nothing more to measure.

    `left_out` was still wanted but the budget is spent; `pruned` is not worth a launch; `doomed`
    would die of what the same variant died of at default knobs.
    """

    because: str
    left_out: tuple[Variant, ...] = ()
    pruned: tuple[Pruned, ...] = ()
    doomed: tuple[Rejection, ...] = ()
