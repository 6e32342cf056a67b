"""Broken image variants end early; weak ones do not."""

from paceline.records.quality import ItemScore, QualityResult, Scorer, Suite
from paceline.testing.builders import a_suite, an_item
from paceline.trial.images.garbage import FIRST, LAST, picture_garbage_rule


def _suite(count: int) -> Suite:
    items = (an_item(f"p{n}", scorer=Scorer.PICTURE, answer="", seed=n) for n in range(count))
    return a_suite(items, sha256="0")


def _scores(values: list[float], error: str | None = None) -> list[ItemScore]:
    return [
        ItemScore(item_id=f"p{number}", category="fidelity", score=value, answer="x", error=error)
        for number, value in enumerate(values)
    ]


def _result(values: list[float]) -> QualityResult:
    return QualityResult(
        suite="s",
        suite_sha256="0",
        items=tuple(_scores(values)),
        score=1,
        by_category={},
        ci95=None,
    )


def test_pictures_that_are_none_end_a_trial() -> None:
    rule = picture_garbage_rule(_suite(20))
    black = _scores([0.0] * FIRST, "the picture is black")
    assert rule(black[:-1]) is None
    stopped = rule(black)
    assert stopped is not None
    assert stopped.because == "6 of the first 6 pictures are none (the picture is black)"


def test_a_small_suite_is_judged_at_its_end() -> None:
    rule = picture_garbage_rule(_suite(2))
    assert rule(_scores([0.0], "black")) is None
    assert rule(_scores([0.0, 0.0], "black")) is not None


def test_some_broken_pictures_are_left_to_the_comparison() -> None:
    rule = picture_garbage_rule(_suite(20))
    assert rule([*_scores([0.0] * 4, "black"), *_scores([0.9] * 4)]) is None


def test_a_collapse_beside_the_baseline_is_garbage() -> None:
    rule = picture_garbage_rule(_suite(20), _result([0.95] * 20))
    stopped = rule(_scores([0.1] * FIRST))
    assert stopped is not None
    assert "sum to 0.6, the baseline's to 5.7" in stopped.because


def test_a_weak_variant_and_a_weak_baseline_are_no_garbage() -> None:
    assert picture_garbage_rule(_suite(20), _result([0.95] * 20))(_scores([0.5] * 10)) is None
    assert picture_garbage_rule(_suite(20), _result([0.2] * 20))(_scores([0.01] * 10)) is None


def test_late_scores_are_no_longer_judged() -> None:
    rule = picture_garbage_rule(_suite(LAST + 5))
    assert rule(_scores([0.0] * (LAST + 1), "black")) is None
