"""What a person sees of a run while it goes."""

from typing import Protocol

from paceline.plan.search import Estimate, Step
from paceline.records.plan import Plan
from paceline.records.ranking import Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord


class Watch(Protocol):
    """Sees a run as it goes; everything it gets is for people."""

    def planned(self, run: RunRecord, plan: Plan, estimate: Estimate) -> None:
        """The run is stored and about to measure, which will take about so long."""
        ...

    def trial_began(self, step: Step, *, spent_s: float, expected_s: float) -> None:
        """A trial starts; `spent_s` of the run are gone, `expected_s` is its likely length."""
        ...

    def phase(self, text: str) -> None:
        """What the trial under way is doing."""
        ...

    def trial_ended(self, trial: TrialRecord, ranking: Ranking) -> None:
        """A trial is stored; `ranking` is the order so far."""
        ...

    def stopped(self, run: RunRecord) -> None:
        """The run ended early; what it measured is stored and it can be resumed."""
        ...
