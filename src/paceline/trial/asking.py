"""The quality part of a trial: the suite until its verdict is clear, then the user's own set."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from paceline.ports.quality import StopRule
from paceline.records.quality import QualityResult, StopCause, Suite
from paceline.trial.sequential import PairedRule, first_of

Ask = Callable[[Suite, StopRule], QualityResult]
"""Asks one suite until the rule stops it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What one trial is asked. `late` ends everything; nothing is asked after garbage."""

    suite: Suite | None
    own: Suite | None
    garbage: StopRule | None
    paired: PairedRule | None
    late: StopRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was answered; `None` where nothing was asked."""

    quality: QualityResult | None
    own: QualityResult | None

    @property
    def garbage(self) -> str | None:
        """Why nothing else about the variant is worth measuring."""
        stopped = None if self.quality is None else self.quality.stopped
        broken = stopped is not None and stopped.cause is StopCause.GARBAGE
        return stopped.because if stopped is not None and broken else None


def ask_suites(questions: Questions, ask: Ask) -> Answers:
    """Ask what there is to ask, with the verdict against the baseline where there is one."""
    answers = Answers(quality=_compared(questions, ask), own=None)
    if questions.own is None or answers.garbage is not None:
        return answers
    return replace(answers, own=ask(questions.own, questions.late))


def _compared(questions: Questions, ask: Ask) -> QualityResult | None:
    if questions.suite is None:
        return None
    rules = (questions.late, questions.garbage, questions.paired)
    result = ask(questions.suite, first_of(*(rule for rule in rules if rule is not None)))
    paired = questions.paired
    return result if paired is None else replace(result, paired=paired.verdict())
