"""How long the quality part of a trial may take: a share of what the trial takes in all.

Pure: whoever holds the clock asks. The share is of the launch and what follows; making the
checkpoint is left out, so that of the whole trial it is rather less.
"""

from dataclasses import dataclass
from typing import Final

from paceline.records.load import Probe
from paceline.records.load_plan import LoadPlan

UNDER_WAY: Final = 0.1
"""Of the allowance, kept for answers that are under way when it ends."""

_MS_PER_S: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """`share` (0–1) of a trial's time; 1 is no limit.

    While the suite has fewer than `needed` answers it may go on to `stretch` of the time.
    """

    share: float
    stretch: float = 0.0
    needed: int = 0

    def allowed_s(self, *, rest_s: float) -> float | None:
        """What quality may take beside `rest_s` of everything else; `None` without a limit.

        `q ÷ (q + rest) = share`, solved for q.
        """
        return _beside(rest_s, self.share)

    def stretched_s(self, *, rest_s: float) -> float | None:
        """The same while answers are wanting."""
        return _beside(rest_s, self.most)

    @property
    def most(self) -> float:
        """The share that is never exceeded."""
        return max(self.share, self.stretch)


def _beside(rest_s: float, share: float) -> float | None:
    return None if share >= 1 else share / (1 - share) * rest_s


def expected_load_s(plan: LoadPlan, probe: Probe, *, requests_per_s: float | None) -> float:
    """How long a load will take, rather too short: when its requests are all sent, or its time is
    over. `requests_per_s` was seen in an earlier load of the same launch."""
    limits = [] if plan.duration_s is None else [float(plan.duration_s)]
    if plan.requests is not None:
        rate = requests_per_s or _unhindered_rps(plan, probe)
        limits.append(plan.requests / rate if rate else 0.0)
    return min(limits, default=0.0)


def _unhindered_rps(plan: LoadPlan, probe: Probe) -> float:
    """As if a full batch were as fast as the probe was alone: no load is faster."""
    if plan.offered_rps is not None:
        return plan.offered_rps
    in_flight = max((level.in_flight for level in plan.levels), default=1)
    return in_flight * _MS_PER_S / probe.e2e_ms if probe.e2e_ms > 0 else 0.0
