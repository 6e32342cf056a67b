"""What a person sees of a run while it goes."""

from collections.abc import Sequence
from typing import Protocol

from paceline.plan.search import Step
from paceline.records.plan import Plan
from paceline.records.ranking import Ranking
from paceline.records.run import RunRecord
from paceline.records.trial import TrialRecord


class Watch(Protocol):
    """Sees a run as it goes; everything it gets is for people."""

    def redirected(
        self, earlier: RunRecord, changes: Sequence[str], reused: int, refused: Sequence[str]
    ) -> None:
        """A run begins from an earlier one: what was understood, and what of it is used."""
        ...

    def planned(self, run: RunRecord, plan: Plan) -> None:
        """The run is stored and about to measure."""
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
