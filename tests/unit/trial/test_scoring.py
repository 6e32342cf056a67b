from dataclasses import replace

import pytest

from paceline.errors import CandidateError, Code, SpecError
from paceline.records.quality import Item, ItemScore, Reply, Scorer, Suite
from paceline.testing.builders import a_suite, an_item
from paceline.trial.scoring import SuiteGrader, rescore, summarize


def item(number: int, category: str, *, scorer: Scorer = Scorer.EXACT, weight: float = 1.0) -> Item:
    return an_item(f"{category}-{number}", category=category, scorer=scorer, weight=weight)


def suite(*items: Item, weights: dict[str, float] | None = None) -> Suite:
    return a_suite(items, sha256="ab" * 32, weights=weights)


ITEMS = (item(0, "a"), item(1, "a"), item(2, "a"), item(0, "b"))


def answered(asked: Suite, *texts: str) -> list[ItemScore]:
    grader = SuiteGrader()
    return [
        grader.grade(one, Reply(text=text)) for one, text in zip(asked.items, texts, strict=False)
    ]


def test_without_weights_every_item_counts_the_same() -> None:
    asked = suite(*ITEMS)
    result = summarize(asked, answered(asked, "yes", "yes", "no", "no"))
    assert result.score == pytest.approx(0.5)
    assert result.by_category == pytest.approx({"a": 2 / 3, "b": 0.0})
    assert result.weights == pytest.approx({"a": 0.75, "b": 0.25})


def test_with_weights_each_category_counts_as_stated() -> None:
    asked = suite(*ITEMS, weights={"a": 0.5, "b": 0.5})
    result = summarize(asked, answered(asked, "yes", "yes", "no", "no"))
    assert result.score == pytest.approx(1 / 3)


def test_item_weights_count_within_the_category() -> None:
    asked = suite(item(0, "a", weight=3), item(1, "a"))
    assert summarize(asked, answered(asked, "yes", "no")).score == pytest.approx(0.75)


def test_shares_of_an_unasked_category_go_to_the_others() -> None:
    asked = suite(*ITEMS, weights={"a": 0.4, "b": 0.6})
    result = summarize(asked, answered(asked, "yes", "no"))
    assert result.weights == {"a": 1.0}
    assert result.score == 0.5


def test_interval_is_wilsons() -> None:
    """10 of 10: 0.7225–1 (Wilson's interval, as tables give it)."""
    asked = suite(*(item(number, "a") for number in range(10)))
    interval = summarize(asked, answered(asked, *["yes"] * 10)).ci95
    assert interval is not None
    assert interval.lo == pytest.approx(0.7225, abs=1e-4)
    assert interval.hi == pytest.approx(1.0)


def test_uneven_weights_widen_the_interval() -> None:
    even = suite(*ITEMS)
    uneven = suite(*ITEMS, weights={"a": 0.1, "b": 0.9})
    widths = []
    for asked in (even, uneven):
        interval = summarize(asked, answered(asked, *["yes"] * 4)).ci95
        assert interval is not None
        widths.append(interval.hi - interval.lo)
    assert widths[0] < widths[1]


def test_nothing_answered_has_no_interval() -> None:
    result = summarize(suite(*ITEMS), [])
    assert (result.score, result.ci95) == (0.0, None)


def test_an_error_is_a_wrong_answer() -> None:
    score = SuiteGrader().grade(ITEMS[0], Reply(text="yes", error="HTTP 500"))
    assert (score.score, score.error) == (0.0, "HTTP 500")


def test_rescoring_gives_the_stored_result() -> None:
    asked = suite(*ITEMS, weights={"a": 0.4, "b": 0.6})
    result = summarize(asked, answered(asked, "yes", "no", "YES.", "yes"))
    assert rescore(asked, result) == result


def test_rescoring_finds_an_edited_score_and_an_edited_answer() -> None:
    asked = suite(*ITEMS)
    result = summarize(asked, answered(asked, "yes", "no", "no", "yes"))
    first, *rest = result.items
    for edited in (replace(first, score=0.0), replace(first, answer="no")):
        forged = replace(result, items=(edited, *rest))
        assert rescore(asked, forged) != forged


def test_a_changed_suite_is_refused() -> None:
    asked = suite(*ITEMS)
    result = summarize(asked, answered(asked, "yes"))
    with pytest.raises(SpecError, match="suite-changed"):
        rescore(replace(asked, sha256="cd" * 32), result)
    with pytest.raises(SpecError, match="belong to no item"):
        rescore(replace(asked, items=asked.items[1:]), result)


class Program:
    def score(self, item: Item, reply: Reply) -> float:
        if reply.text == "hang":
            raise CandidateError(Code.SCORER_FAILED, "it hangs", why="10 s > 5 s", fix="mend it")
        return 0.5


def test_the_users_program_marks_its_items() -> None:
    asked = suite(item(0, "a", scorer=Scorer.PYTHON), item(1, "a", scorer=Scorer.PYTHON))
    grader = SuiteGrader(Program())
    scores = [grader.grade(one, Reply(text="x")) for one in asked.items]
    result = summarize(asked, scores)
    assert result.score == 0.5
    assert rescore(asked, result) == result


def test_a_program_that_dies_marks_its_item_wrong() -> None:
    score = SuiteGrader(Program()).grade(item(0, "a", scorer=Scorer.PYTHON), Reply(text="hang"))
    assert score.score == 0.0
    assert score.error == "scorer: it hangs: 10 s > 5 s"
