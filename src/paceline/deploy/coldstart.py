"""A cold start by phase: how long each took, what is left, and when it has taken too long."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.records.deployment import Phase, Progress
from paceline.records.trial import ColdStart
from paceline.stats import quantile

ETA_QUANTILE: Final = 0.9
MOST_PROGRESS: Final = 0.99
LATE_SHARE: Final = 0.25
"""Of what it has taken, once it takes longer than expected: the best guess for what is left."""
SHORTEST_ETA_S: Final = 1.0
UNKNOWN_S: Final = 30.0
"""Expected of a start that nothing is known about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A start under way; times on one monotonic clock."""

    began_s: float
    phase: Phase
    phase_began_s: float
    done_s: tuple[tuple[Phase, float], ...] = ()
    """The phases that are over, with the seconds that each took."""


def begun(now_s: float) -> Start:
    """A start at its first phase."""
    return Start(began_s=now_s, phase=Phase.ENVIRONMENT, phase_began_s=now_s)


def entered(start: Start, phase: Phase, now_s: float) -> Start:
    """The phase before is over."""
    done_s = (*start.done_s, (start.phase, now_s - start.phase_began_s))
    return replace(start, phase=phase, phase_began_s=now_s, done_s=done_s)


def times(start: Start, now_s: float) -> ColdStart:
    """Seconds by phase up to now; `None` where it did not get."""
    spent_s = _spent_s(start, now_s)
    return ColdStart(
        environment_s=spent_s.get(Phase.ENVIRONMENT),
        weights_s=spent_s.get(Phase.WEIGHTS),
        engine_s=spent_s.get(Phase.ENGINE),
        warmup_s=spent_s.get(Phase.WARM_UP),
    )


def total_s(times_: ColdStart) -> float:
    """From the decision to the admission, everything counted."""
    parts = (times_.environment_s, times_.weights_s, times_.engine_s, times_.warmup_s)
    return sum(part for part in parts if part is not None)


def over_budget(start: Start, now_s: float, budget_s: float) -> tuple[Phase, str] | None:
    """The phase that ate the budget and both numbers; `None` while there is time left."""
    took_s = now_s - start.began_s
    if took_s <= budget_s:
        return None
    spent_s = _spent_s(start, now_s)
    worst = max(spent_s, key=lambda phase: spent_s[phase])
    because = f"{took_s:.0f} s of {budget_s:g} s, {spent_s[worst]:.0f} s of them in {worst.value}"
    return worst, because


def expected_s(past_s: Sequence[float], measured_s: float | None) -> float:
    """The 90th percentile of earlier starts, else what the version's trial measured."""
    if past_s:
        return quantile(past_s, ETA_QUANTILE)
    return UNKNOWN_S if measured_s is None else measured_s


def progress(start: Start, now_s: float, expect_s: float) -> Progress:
    """What a client is told meanwhile."""
    took_s = now_s - start.began_s
    eta_s = max(expect_s - took_s, LATE_SHARE * took_s if took_s > expect_s else 0.0)
    share = took_s / (took_s + eta_s) if took_s + eta_s > 0 else 0.0
    return Progress(
        phase=start.phase,
        progress=min(share, MOST_PROGRESS),
        eta_s=max(eta_s, SHORTEST_ETA_S),
    )


def _spent_s(start: Start, now_s: float) -> dict[Phase, float]:
    return {**dict(start.done_s), start.phase: now_s - start.phase_began_s}
