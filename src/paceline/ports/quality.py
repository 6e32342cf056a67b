"""The Evaluator port: asking an endpoint the items of a suite."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from paceline.ports.engine import Say
from paceline.records.launch import Environment, EnvironmentSpec
from paceline.records.load import Target
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityProgress,
    QualityResult,
    Reply,
    Stopped,
    Suite,
)

StopRule = Callable[[Sequence[ItemScore]], Stopped | None]
"""Takes the scores so far, in the order of asking; a reason ends the suite there."""

OnProgress = Callable[[QualityProgress], None]
"""Takes the state after every answer."""


class Grader(Protocol):
    """Turns replies into scores; the stage brings it, so that evaluators only ask."""

    def grade(self, item: Item, reply: Reply) -> ItemScore:
        """The score of one reply; never raises for what a model may say."""
        ...

    def summarize(
        self, suite: Suite, scores: Sequence[ItemScore], *, stopped: Stopped | None
    ) -> QualityResult:
        """The composite over the scores, with its interval."""
        ...


class ProgramScorer(Protocol):
    """Runs the user's own scorer apart from this process."""

    def score(self, item: Item, reply: Reply) -> float:
        """0–1 from the function that `item.answer` names.

        Raises CandidateError when it hangs, dies, writes or exceeds its memory.
        """
        ...


class Suites(Protocol):
    """Finds suites by name or file."""

    def names(self) -> tuple[str, ...]:
        """The suites that come with Paceline."""
        ...

    def find(self, name: str) -> Suite:
        """The suite called `name`, or read from the file of that name.

        Raises SpecError: unknown name, malformed item (with its line), duplicate ids, a hash
        that is not the header's.
        """
        ...


class Evaluator(Protocol):
    """Measures the answers of one endpoint."""

    @property
    def name(self) -> str:
        """As in `--evaluator` and in receipts."""
        ...

    def evaluate(
        self,
        target: Target,
        suite: Suite,
        *,
        grader: Grader,
        seed: int,
        concurrency: int,
        stop: StopRule | None = None,
        on_progress: OnProgress | None = None,
    ) -> QualityResult:
        """Ask the items greedily in an order drawn from `seed`, `concurrency` at a time.

        Nothing is retried; a failed request is an item with an error and counts as wrong. `stop`
        sees a growing prefix of the order and what it did not see is dropped, so the result does
        not depend on which answer came first.
        """
        ...


class Harness(Protocol):
    """A foreign suite of tasks with scorers of its own, run in its own environment."""

    def environment(self) -> EnvironmentSpec:
        """What it needs; installed like an engine's."""
        ...

    def evaluate(
        self,
        target: Target,
        tasks: Sequence[str],
        *,
        environment: Environment,
        grader: Grader,
        seed: int,
        concurrency: int,
        limit: int | None,
        data: Path | None,
        say: Say,
    ) -> QualityResult:
        """Ask the tasks, `limit` items of each; every task is a category.

        `data` is a folder of task files and data sets, used without any network. Takes minutes to
        hours. Raises SpecError for an unknown task, SetupError when the harness fails.
        """
        ...
