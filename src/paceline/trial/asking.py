"""The quality part of a trial: distributions first, then the suites, within its share of the time.

The distributions tell a broken checkpoint before anything else is measured. The suite is asked
until its verdict is clear, then the user's own set, then what was asked for besides; each part may
take an equal part of the time that is left. A part that its time ends has fewer items, a wider
interval and perhaps no verdict. Pure but for the clock and the ports it is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from paceline.clock import Clock
from paceline.ports.fidelity import DistributionReader
from paceline.ports.quality import Evaluator, Grader, StopRule
from paceline.records.load import Target
from paceline.records.quality import ItemScore, QualityResult, StopCause, Stopped, Suite
from paceline.trial.allowance import UNDER_WAY, Allowance
from paceline.trial.closeness import Closeness, ReadingOrder, read_closely
from paceline.trial.garbage import FIRST
from paceline.trial.sequential import PairedRule, first_of

LOADED_ITEMS: Final = 60
"""Items asked again in full batches, unless a limit takes more: enough to see flips of five per
cent."""

OTHER_ORDER: Final = 1
"""Added to the seed of a second asking: the same items in other company, other batches."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What one trial is asked. `late` ends everything; nothing is asked after garbage.

    `in_flight` items are asked at a time, `loaded_in_flight` when they are asked again in full
    batches (`None`: they are not), `loaded_items` of them. `long` are texts of the workload's
    length.
    """

    suite: Suite | None
    own: Suite | None
    long: Suite | None
    garbage: StopRule | None
    paired: PairedRule | None
    late: StopRule
    reading: ReadingOrder | None
    no_reading: str | None
    allowance: Allowance
    seed: int
    in_flight: int
    loaded_in_flight: int | None
    loaded_items: int = LOADED_ITEMS

    @property
    def nothing(self) -> bool:
        """Whether this trial is asked nothing at all."""
        return not (self.suite or self.own or self.long or self.reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was answered; `None` where nothing was asked. Times are of the quality part alone."""

    closeness: Closeness = field(default_factory=Closeness)
    quality: QualityResult | None = None
    own: QualityResult | None = None
    long: QualityResult | None = None
    loaded: QualityResult | None = None
    spent_s: float | None = None
    allowed_s: float | None = None

    @property
    def garbage(self) -> str | None:
        """Why nothing else about the variant is worth measuring."""
        asked = None if self.quality is None else self.quality.stopped
        found = self.closeness.garbage or asked
        return found.because if found and found.cause is StopCause.GARBAGE else None


class Asking:
    """The quality part of one trial under way. `read_before_speed` comes first, `ask` when it is
    known how long everything else takes."""

    def __init__(
        self,
        questions: Questions,
        target: Target,
        *,
        evaluator: Evaluator,
        grader: Grader,
        reader: DistributionReader | None,
        clock: Clock,
        say: Say,
    ) -> None:
        self._questions = questions
        self._target = target
        self._evaluator = evaluator
        self._grader = grader
        self._reader = reader
        self._clock = clock
        self._say = say
        self.answers = Answers(closeness=Closeness(because=questions.no_reading))

    def read_before_speed(self) -> bool:
        """Read the distributions now, if that is to be done before speed; whether they were."""
        order = self._questions.reading
        if order is not None and order.before_speed:
            self._read()
        return self.answers.closeness.readings is not None

    def _read(self) -> None:
        """Read the distributions, where the engine gives them; seconds."""
        order, reader = self._questions.reading, self._reader
        if order is None or reader is None:
            return
        self._say("reading distributions")
        began_s = self._clock.monotonic_s()
        found = read_closely(
            order,
            lambda way: reader.read(
                self._target,
                prompts=order.prompts,
                concurrency=self._questions.in_flight,
                reading=way,
            ),
        )
        self.answers = replace(
            self.answers, closeness=found, spent_s=self._clock.monotonic_s() - began_s
        )

    def ask(self, *, rest_s: float) -> None:
        """Ask what there is to ask; `rest_s` is what all else of this launch takes."""
        if self._questions.nothing:
            return
        began_s = self._clock.monotonic_s()
        before_s = self.answers.spent_s or 0.0
        allowance = self._questions.allowance
        allowed_s = allowance.allowed_s(rest_s=rest_s)

        def until(limit_s: float | None) -> float | None:
            if limit_s is None:
                return None
            return began_s + max(0.0, (1 - UNDER_WAY) * limit_s - before_s)

        if self._questions.reading is not None and not self._questions.reading.before_speed:
            self._read()
        answers = self.answers
        if answers.garbage is None:
            answers = self._asked(
                until(allowed_s), stretched_s=until(allowance.stretched_s(rest_s=rest_s))
            )
        self.answers = replace(
            answers,
            spent_s=before_s + self._clock.monotonic_s() - began_s,
            allowed_s=allowed_s,
        )

    def _asked(self, until_s: float | None, *, stretched_s: float | None) -> Answers:
        questions, answers = self._questions, self.answers
        left = sum(map(bool, (questions.suite, questions.own, questions.long, self._again)))
        if questions.suite is not None:
            ends = (
                self._spent(until_s, left, least=max(FIRST, questions.allowance.needed)),
                self._spent(stretched_s, left, least=FIRST, share=questions.allowance.most),
            )
            answers = replace(answers, quality=self._compared(questions.suite, ends))
            left -= 1
        if questions.own is not None and answers.garbage is None:
            answers = replace(answers, own=self._one(questions.own, until_s, left))
            left -= 1
        if questions.long is not None and answers.garbage is None:
            answers = replace(answers, long=self._one(questions.long, until_s, left))
        if self._again is not None and answers.quality and answers.garbage is None:
            answers = replace(answers, loaded=self._loaded(answers.quality, until_s))
        return answers

    @property
    def _again(self) -> int | None:
        """How many in flight the second asking has, where there is a first."""
        return self._questions.loaded_in_flight if self._questions.suite else None

    def _compared(self, suite: Suite, ends: Sequence[StopRule]) -> QualityResult:
        paired = self._questions.paired
        rules = (self._questions.late, self._questions.garbage, paired, *ends)
        result = self._evaluated(suite, first_of(*(rule for rule in rules if rule is not None)))
        if paired is None:
            return result
        return replace(result, paired=paired.verdict(over=shared_out(result)))

    def _one(self, suite: Suite, until_s: float | None, parts: int) -> QualityResult:
        rule = self._spent(until_s, parts, least=1)
        return self._evaluated(suite, first_of(self._questions.late, rule))

    def _loaded(self, first: QualityResult, until_s: float | None) -> QualityResult:
        suite = self._questions.suite
        assert suite is not None, "there was a first asking"  # noqa: S101 - see `_again`
        answered = {score.item_id for score in first.items}
        order = suite.asking_order(self._questions.seed)
        most = self._questions.loaded_items
        again = {item.item_id for item in order[: len(answered)][:most]}
        rule = self._spent(until_s, 1, least=1)
        return self._evaluated(
            replace(suite, items=tuple(item for item in suite.items if item.item_id in again)),
            first_of(self._questions.late, rule),
            seed=self._questions.seed + OTHER_ORDER,
            in_flight=self._again,
        )

    def _evaluated(
        self, suite: Suite, stop: StopRule, *, seed: int | None = None, in_flight: int | None = None
    ) -> QualityResult:
        self._say(f"asking {len(suite.items)} quality items")
        return self._evaluator.evaluate(
            self._target,
            suite,
            grader=self._grader,
            seed=self._questions.seed if seed is None else seed,
            concurrency=in_flight or self._questions.in_flight,
            stop=stop,
        )

    def _spent(
        self, until_s: float | None, parts: int, *, least: int, share: float | None = None
    ) -> StopRule:
        """Ends one of `parts` when its part of the time is over, never before `least` answers."""
        now_s, of_all = self._clock.monotonic_s(), share or self._questions.allowance.share
        mine_s = None if until_s is None else max(0.0, until_s - now_s) / parts

        def rule(scores: Sequence[ItemScore]) -> Stopped | None:
            took_s = self._clock.monotonic_s() - now_s
            if mine_s is None or len(scores) < least or took_s < mine_s:
                return None
            return Stopped(
                cause=StopCause.SHARE,
                because=f"{len(scores)} items took the {mine_s:.1f} s that were left of the "
                f"{of_all:.0%} of the trial's time that quality may take",
            )

        return rule


def shared_out(result: QualityResult) -> bool:
    """Whether nothing more will be asked for a reason that no answer has a part in."""
    return result.stopped is not None and result.stopped.cause is StopCause.SHARE
