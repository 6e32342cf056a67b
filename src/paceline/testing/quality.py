"""What every evaluator must do: ask each item once, keep errors, obey the stop rule, repeat itself.

A subclass gives `evaluator` and `target`, an endpoint whose answers it controls through `answers`:
item id → text, `None` for a request that fails. The default grader gives 1 to the answer `right`.
"""

from collections.abc import Sequence

import pytest

from paceline.ports.quality import Evaluator
from paceline.records.load import Target
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityProgress,
    QualityResult,
    Reply,
    StopCause,
    Stopped,
    Suite,
)
from paceline.testing.builders import a_suite, an_item

Answers = dict[str, str | None]


def small_suite(count: int) -> Suite:
    """`count` items `q0` … whose last message is their id and whose right answer is `right`."""
    categories = ("logic", "facts")
    return a_suite(
        (
            an_item(f"q{n}", category=categories[n % 2], question=f"q{n}", answer="right")
            for n in range(count)
        ),
        name="small",
    )


class PlainGrader:
    """A grader without rules of its own: 1 for the item's answer, letter by letter."""

    def grade(self, item: Item, reply: Reply) -> ItemScore:
        """See `Grader.grade`."""
        return ItemScore(
            item_id=item.item_id,
            category=item.category,
            score=float(reply.error is None and reply.text == item.answer),
            answer=reply.text,
            error=reply.error,
            earlier=reply.earlier,
            finish_reason=reply.finish_reason,
        )

    def summarize(
        self, suite: Suite, scores: Sequence[ItemScore], *, stopped: Stopped | None
    ) -> QualityResult:
        """See `Grader.summarize`; the plain mean, no interval."""
        mean = sum(score.score for score in scores) / len(scores) if scores else 0.0
        return QualityResult(
            suite=suite.name,
            suite_sha256=suite.sha256,
            items=tuple(sorted(scores, key=lambda score: score.item_id)),
            score=mean,
            by_category={},
            ci95=None,
            stopped=stopped,
        )


class EvaluatorContract:
    """Subclass it and give the fixtures `evaluator` and `target`."""

    @pytest.fixture
    def answers(self) -> Answers:
        """What the endpoint says to each item; tests fill it in."""
        return {}

    def test_asks_every_item_once(
        self, evaluator: Evaluator, target: Target, answers: Answers
    ) -> None:
        suite = small_suite(7)
        answers.update({item.item_id: "right" for item in suite.items})
        result = self._evaluate(evaluator, target, suite)
        assert [score.item_id for score in result.items] == [item.item_id for item in suite.items]
        assert result.score == 1.0
        assert result.suite_sha256 == suite.sha256

    def test_a_failed_request_is_a_wrong_item_and_not_the_end(
        self, evaluator: Evaluator, target: Target, answers: Answers
    ) -> None:
        suite = small_suite(4)
        answers.update({"q0": "right", "q1": None, "q2": "right", "q3": "wrong"})
        result = self._evaluate(evaluator, target, suite)
        by_id = {score.item_id: score for score in result.items}
        assert result.errors == 1
        assert by_id["q1"].error
        assert by_id["q1"].score == 0.0
        assert result.score == 0.5

    def test_stops_where_the_rule_says_whatever_the_concurrency(
        self, evaluator: Evaluator, target: Target, answers: Answers
    ) -> None:
        suite = small_suite(12)
        answers.update({item.item_id: "right" for item in suite.items})

        def rule(scores: Sequence[ItemScore]) -> Stopped | None:
            reached = len(scores) >= 5
            return Stopped(cause=StopCause.GARBAGE, because="5 seen") if reached else None

        asked = {
            tuple(score.item_id for score in result.items)
            for concurrency in (1, 4)
            for result in [
                evaluator.evaluate(
                    target,
                    suite,
                    grader=PlainGrader(),
                    seed=3,
                    concurrency=concurrency,
                    stop=rule,
                )
            ]
            if result.stopped and result.stopped.because == "5 seen"
        }
        assert [len(ids) for ids in asked] == [5]

    def test_reports_progress_up_to_the_last_item(
        self, evaluator: Evaluator, target: Target, answers: Answers
    ) -> None:
        suite = small_suite(3)
        answers.update({"q0": "right", "q1": "wrong", "q2": None})
        seen: list[QualityProgress] = []
        evaluator.evaluate(
            target, suite, grader=PlainGrader(), seed=1, concurrency=2, on_progress=seen.append
        )
        assert [progress.answered for progress in seen] == [1, 2, 3]
        assert seen[-1] == QualityProgress(answered=3, total=3, score=1 / 3, errors=1)

    def test_same_seed_same_result(
        self, evaluator: Evaluator, target: Target, answers: Answers
    ) -> None:
        suite = small_suite(6)
        answers.update({f"q{number}": "right" if number % 3 else "no" for number in range(6)})
        first = self._evaluate(evaluator, target, suite)
        assert self._evaluate(evaluator, target, suite) == first

    def _evaluate(self, evaluator: Evaluator, target: Target, suite: Suite) -> QualityResult:
        return evaluator.evaluate(target, suite, grader=PlainGrader(), seed=1, concurrency=3)
