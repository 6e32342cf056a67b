"""The paired comparison of answers."""

import math
import random
from dataclasses import replace

import pytest

from paceline.errors import Code, SpecError
from paceline.rank.quality import compare_quality
from paceline.records.measurement import Interval, Verdict
from paceline.records.quality import (
    ItemScore,
    PairedVerdict,
    QualityResult,
    Reply,
    StopCause,
    Stopped,
)
from paceline.testing.builders import a_suite, an_item
from paceline.trial.scoring import SuiteGrader, summarize


def answers(scores: list[float], *, category: str = "qa", suite: str = "a" * 64) -> QualityResult:
    items = tuple(
        ItemScore(item_id=f"i{n:03}", category=category, score=score, answer="")
        for n, score in enumerate(scores)
    )
    return result(items, suite=suite)


def result(
    items: tuple[ItemScore, ...],
    *,
    suite: str = "a" * 64,
    weights: dict[str, float] | None = None,
) -> QualityResult:
    return QualityResult(
        suite="test",
        suite_sha256=suite,
        items=items,
        score=sum(item.score for item in items) / max(len(items), 1),
        by_category={},
        ci95=None,
        weights=weights or {},
    )


def flipped(base: list[float], lost: int, gained: int) -> list[float]:
    right = [n for n, score in enumerate(base) if score]
    wrong = [n for n, score in enumerate(base) if not score]
    scores = list(base)
    for n in right[:lost]:
        scores[n] = 0.0
    for n in wrong[:gained]:
        scores[n] = 1.0
    return scores


BASE = [1.0] * 160 + [0.0] * 40


def test_ratio_difference_and_flips_are_those_of_the_items() -> None:
    found = compare_quality(answers(flipped(BASE, 10, 2)), answers(BASE), seed=0)
    assert found is not None
    assert found.ratio == pytest.approx(152 / 160)
    assert found.difference == pytest.approx(-8 / 200)
    assert found.lost == tuple(f"i{n:03}" for n in range(10))
    assert found.gained == ("i160", "i161")


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (8, 0, 2 / 256), (10, 2, 2 * 79 / 4096)],
)
def test_p_is_that_of_the_exact_binomial_test(lost: int, gained: int, p: float) -> None:
    found = compare_quality(answers(flipped(BASE, lost, gained)), answers(BASE), seed=0)
    assert found is not None
    assert found.p_value == pytest.approx(p)


def test_equal_answers_prove_equality_only_as_far_as_they_reach() -> None:
    widths = []
    for n in (10, 100, 1000):
        same = answers([1.0] * n)
        found = compare_quality(same, same, seed=0)
        assert found is not None
        assert found.ratio == 1.0
        widths.append(found.ratio_ci95.hi - found.ratio_ci95.lo)
    assert widths[0] > 0.2 > widths[1] > 0.01 > widths[2] > 0


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    chance = random.Random(4)
    covered = 0
    for seed in range(100):
        base = [float(chance.random() < 0.85) for _ in range(150)]
        # Damage: a right answer is lost with 6 %, a wrong one found with 5 %.
        hit = [
            float(chance.random() >= 0.06) if right else float(chance.random() < 0.05)
            for right in base
        ]
        found = compare_quality(answers(hit), answers(base), seed=seed)
        assert found is not None
        truth = (0.85 * 0.94 + 0.15 * 0.05) / 0.85
        covered += found.ratio_ci95.lo <= truth <= found.ratio_ci95.hi
    assert covered >= 90


def test_pairing_sees_what_two_separate_scores_cannot() -> None:
    found = compare_quality(answers(flipped(BASE, 12, 0)), answers(BASE), seed=0)
    assert found is not None
    assert found.ratio_ci95.hi < 1.0
    unpaired_half = 1.96 * math.sqrt(2 * 0.8 * 0.2 / 200)
    assert found.difference_ci95.hi - found.difference_ci95.lo < unpaired_half * 1.5


def test_only_items_that_both_were_asked_count() -> None:
    part = result(answers(flipped(BASE, 10, 0)).items[:50])
    found = compare_quality(part, answers(BASE), seed=0)
    assert found is not None
    assert found.ratio == pytest.approx(40 / 50)


def test_categories_weigh_as_the_suite_says() -> None:
    right = ItemScore(item_id="a", category="qa", score=1.0, answer="")
    wrong = ItemScore(item_id="b", category="logic", score=0.0, answer="")
    solved = ItemScore(item_id="b", category="logic", score=1.0, answer="")
    shares = {"qa": 0.75, "logic": 0.25}
    found = compare_quality(
        result((right, wrong), weights=shares), result((right, solved), weights=shares), seed=0
    )
    assert found is not None
    assert found.ratio == pytest.approx(0.75)


def test_an_item_weighs_in_the_comparison_what_it_weighs_in_the_composite() -> None:
    items = tuple(an_item(f"i{n}", weight=3.0 if n == 0 else 1.0) for n in range(4))
    suite = a_suite(items)

    def answered(*texts: str) -> QualityResult:
        grader = SuiteGrader()
        scores = [grader.grade(i, Reply(text=t)) for i, t in zip(items, texts, strict=True)]
        return summarize(suite, scores)

    base, variant = answered("yes", "yes", "yes", "no"), answered("no", "yes", "yes", "yes")
    found = compare_quality(variant, base, seed=0)
    assert found is not None
    assert (base.score, variant.score) == pytest.approx((5 / 6, 3 / 6))
    assert found.ratio == pytest.approx(variant.score / base.score)
    assert found.difference == pytest.approx(variant.score - base.score)


def test_the_same_seed_gives_the_same_interval() -> None:
    one, two, other = (
        compare_quality(answers(flipped(BASE, 9, 3)), answers(BASE), seed=seed)
        for seed in (7, 7, 8)
    )
    assert one == two
    assert one != other


def test_nothing_is_compared_without_a_right_answer_of_the_baseline() -> None:
    assert compare_quality(answers([1.0, 1.0]), answers([0.0, 0.0]), seed=0) is None
    assert compare_quality(answers([]), answers([]), seed=0) is None


def test_answers_to_two_suites_are_refused() -> None:
    with pytest.raises(SpecError) as refused:
        compare_quality(answers(BASE), answers(BASE, suite="b" * 64), seed=0)
    assert refused.value.code is Code.SUITE_CHANGED
    assert "aaaa" in refused.value.why and "bbbb" in refused.value.why


def test_an_early_stop_brings_the_interval_that_holds_at_any_moment() -> None:
    stopped = replace(
        answers(BASE[:60]),
        stopped=Stopped(cause=StopCause.CLEAR, because="it was clear"),
        paired=PairedVerdict(
            verdict=Verdict.PASS,
            margin=0.04,
            difference=0.0,
            difference_ci95=Interval(lo=-0.04, hi=0.05),
            different=False,
            items=60,
        ),
    )
    found = compare_quality(stopped, answers(BASE), seed=0)
    assert found is not None
    assert found.difference_ci95 == Interval(lo=-0.04, hi=0.05)
    assert (found.ratio_ci95.lo, found.ratio_ci95.hi) == pytest.approx((0.95, 1.0625))
    whole = compare_quality(replace(stopped, stopped=None), answers(BASE), seed=0)
    assert whole is not None
    assert whole.difference_ci95 != found.difference_ci95
