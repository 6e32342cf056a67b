"""The rule on simulated comparisons: seeded, so a failure is a change and not bad luck."""

from collections.abc import Sequence

import numpy as np
import pytest

from paceline.errors import SpecError
from paceline.records.measurement import Verdict
from paceline.records.quality import (
    ItemScore,
    PairedVerdict,
    QualityResult,
    StopCause,
    Stopped,
    Suite,
)
from paceline.testing.builders import a_suite, an_item
from paceline.trial.sequential import (
    FEWEST,
    Floats,
    PairedRule,
    difference_bounds,
    first_of,
    item_weights,
    judged_again,
    paired_verdict,
    quality_margin,
    settled_flips,
)

ITEMS = 400
COMPARISONS = 200
FLIPS = 0.06
"""Share of items that batch-dependent arithmetic or mild quantization flips, both ways together."""


def differences(rng: np.random.Generator, loss: float, items: int = ITEMS) -> Floats:
    """Flips both ways alike, and `loss` more from right to wrong."""
    drawn = rng.random(items)
    lost = drawn < FLIPS / 2 + loss
    gained = drawn > 1 - FLIPS / 2
    difference: Floats = gained.astype(float) - lost.astype(float)
    return difference


def test_two_equal_variants_are_rarely_called_different() -> None:
    rng = np.random.default_rng(1)
    called = [judged(differences(rng, 0.0), 0.01) for _ in range(COMPARISONS)]
    assert sum(one.different for one in called) <= 0.07 * COMPARISONS
    assert sum(one.verdict is Verdict.FAIL for one in called) <= 0.07 * COMPARISONS


def test_a_loss_of_three_points_does_not_pass_a_margin_of_one() -> None:
    rng = np.random.default_rng(2)
    called = [judged(differences(rng, 0.03), 0.01) for _ in range(COMPARISONS)]
    assert sum(one.verdict is not Verdict.PASS for one in called) >= 0.95 * COMPARISONS


def test_a_loss_of_ten_points_is_found_out() -> None:
    rng = np.random.default_rng(8)
    called = [judged(differences(rng, 0.1), 0.03) for _ in range(COMPARISONS)]
    assert sum(one.verdict is Verdict.FAIL for one in called) >= 0.9 * COMPARISONS
    assert sum(one.different for one in called) >= 0.99 * COMPARISONS


def test_a_loss_of_exactly_the_margin_passes_at_most_as_often_as_promised() -> None:
    """Looking after every item: the error of the whole procedure, not of one look."""
    rng = np.random.default_rng(3)
    called = [judged(differences(rng, 0.03), 0.03) for _ in range(400)]
    assert sum(one.verdict is Verdict.PASS for one in called) <= 0.05 * 400
    assert sum(one.verdict is Verdict.FAIL for one in called) <= 0.05 * 400


def suite(count: int = ITEMS, weights: dict[str, float] | None = None) -> Suite:
    items = (an_item(f"q{n}", category="a" if n % 2 else "b") for n in range(count))
    return a_suite(items, weights=weights)


def scores(values: Sequence[float]) -> list[ItemScore]:
    return [
        ItemScore(item_id=f"q{number}", category="a", score=float(value), answer="")
        for number, value in enumerate(values)
    ]


def baseline(values: Sequence[float]) -> QualityResult:
    return QualityResult(
        suite="s",
        suite_sha256="0" * 64,
        items=tuple(scores(values)),
        score=float(np.mean(values)),
        by_category={},
        ci95=None,
    )


def asked(rule: PairedRule, values: Sequence[float]) -> int:
    """How many items are asked until the rule stops."""
    given = scores(values)
    return next((n for n in range(1, len(given) + 1) if rule(given[:n])), len(given))


def judged(values: Floats, margin: float) -> PairedVerdict:
    """The verdict when every item was asked: all looks on the way, and the last one."""
    return paired_verdict(values, margin=margin, complete=True)


@pytest.mark.parametrize(
    ("loss", "margin", "verdict"),
    [(0.0, 0.05, Verdict.PASS), (0.25, 0.03, Verdict.FAIL), (0.9, 0.03, Verdict.FAIL)],
)
def test_a_clear_case_saves_half_of_the_requests(
    loss: float, margin: float, verdict: Verdict
) -> None:
    rng = np.random.default_rng(4)
    spent = []
    for _ in range(12):
        base = np.ones(ITEMS)
        mine = base.copy()
        mine[rng.random(ITEMS) < loss] = 0.0
        rule = PairedRule(suite(), baseline(base.tolist()), margin=margin)
        spent.append(asked(rule, mine.tolist()))
        assert rule.verdict().verdict is verdict
    assert np.mean(spent) <= 0.5 * ITEMS
    assert min(spent) >= FEWEST


def test_an_unclear_case_asks_everything_and_says_so() -> None:
    rng = np.random.default_rng(5)
    base = (rng.random(ITEMS) < 0.5).astype(float)
    mine = np.where(rng.random(ITEMS) < FLIPS, 1 - base, base)
    rule = PairedRule(suite(), baseline(base.tolist()), margin=0.01)
    assert asked(rule, mine.tolist()) == ITEMS
    assert rule.verdict().verdict is Verdict.UNRESOLVED
    assert rule.verdict().items == ITEMS


def test_the_reason_has_both_numbers() -> None:
    rule = PairedRule(suite(), baseline([1.0] * ITEMS), margin=0.05)
    stopped = next(s for n in range(ITEMS) if (s := rule(scores([0.0] * n))))
    assert stopped.cause is StopCause.CLEAR
    assert "after 20 items" in stopped.because
    assert "beyond the margin of 0.05 (-1.000)" in stopped.because


def test_the_interval_narrows_around_the_truth() -> None:
    rng = np.random.default_rng(6)
    values = differences(rng, 0.1, items=2000)
    early, late = difference_bounds(values[:100]), difference_bounds(values)
    assert late.hi - late.lo < early.hi - early.lo
    assert late.lo <= -0.1 <= late.hi
    assert difference_bounds(values[:0]).lo == -1.0


def test_the_last_look_is_sharper_than_all_on_the_way() -> None:
    rng = np.random.default_rng(9)
    values = differences(rng, 0.08)
    early, last = paired_verdict(values, margin=0.03), judged(values, 0.03)
    assert last.difference_ci95.hi < early.difference_ci95.hi
    assert early.difference_ci95.lo < last.difference_ci95.lo
    assert last.difference_ci95.lo < last.difference < last.difference_ci95.hi


def test_no_flip_at_all_still_leaves_room_for_a_loss() -> None:
    found = judged(np.zeros(300), 0.01)
    assert found.verdict is Verdict.UNRESOLVED
    assert 0.01 < found.difference_ci95.hi < 0.02
    assert not found.different


def test_the_interval_holds_the_truth_as_often_as_promised() -> None:
    rng = np.random.default_rng(7)
    held = [
        interval.lo <= -0.05 <= interval.hi
        for _ in range(COMPARISONS)
        for interval in [difference_bounds(differences(rng, 0.05, items=150))]
    ]
    assert sum(held) >= 0.95 * COMPARISONS


def test_weights_follow_the_composite() -> None:
    weights = item_weights(suite(4, {"a": 0.75, "b": 0.25}))
    assert weights == {"q0": 0.5, "q1": 1.5, "q2": 0.5, "q3": 1.5}
    assert set(item_weights(suite(4)).values()) == {1.0}


def test_weighted_items_reach_a_verdict_too() -> None:
    rule = PairedRule(suite(weights={"a": 0.75, "b": 0.25}), baseline([1.0] * ITEMS), margin=0.05)
    assert asked(rule, [0.0] * ITEMS) <= 40
    assert rule.verdict().difference == pytest.approx(-1.0, abs=0.1)


def test_items_that_the_baseline_was_not_asked_are_left_out() -> None:
    rule = PairedRule(suite(), baseline([1.0] * 10), margin=0.05)
    assert asked(rule, [0.0] * ITEMS) == ITEMS
    assert rule.verdict().items == 10


def test_no_more_is_asked_than_the_baseline_was_and_that_is_the_last_look() -> None:
    rule = PairedRule(suite(), baseline([1.0] * 60), margin=0.05)
    values = [1.0] * ITEMS
    values[7] = values[31] = 0.0
    given = scores(values)[:60]
    stopped = rule(given)
    assert stopped is not None
    assert stopped.cause is StopCause.SHARE
    assert "60 items of 400" in stopped.because
    assert rule.verdict() == paired_verdict(
        [value - 1.0 for value in values[:60]], margin=0.05, complete=True
    )


def test_an_end_that_no_answer_has_a_part_in_is_a_last_look_too() -> None:
    rule = PairedRule(suite(), baseline([1.0] * ITEMS), margin=0.1)
    rule(scores([1.0, 0.0, *[1.0] * 35]))
    open_, last = rule.verdict().difference_ci95, rule.verdict(over=True).difference_ci95
    assert open_.lo < last.lo
    assert last.hi < open_.hi


def test_a_baseline_of_another_suite_is_refused() -> None:
    other = Suite(name="o", version="1", sha256="1" * 64, items=())
    with pytest.raises(SpecError, match="suite-changed"):
        PairedRule(other, baseline([1.0]), margin=0.05)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0])
def test_a_margin_is_a_share(margin: float) -> None:
    with pytest.raises(SpecError, match="bad-option"):
        PairedRule(suite(), baseline([1.0]), margin=margin)


def test_the_first_rule_that_stops_wins_and_all_look() -> None:
    looks: list[int] = []

    def never(found: Sequence[ItemScore]) -> Stopped | None:
        looks.append(len(found))
        return None

    def at_once(found: Sequence[ItemScore]) -> Stopped | None:
        return Stopped(cause=StopCause.GARBAGE, because="x")

    stopped = first_of(at_once, never)(scores([1.0]))
    assert stopped is not None
    assert looks == [1]


def test_a_stored_verdict_is_found_again_in_the_order_of_asking() -> None:
    """Answers are stored in the order of the suite; a bet depends on the order of looking."""
    rng = np.random.default_rng(10)
    asked_suite = suite(100)
    values = {item.item_id: float(rng.random() < 0.7) for item in asked_suite.items}
    order = [item.item_id for item in asked_suite.asking_order(3)][:60]
    given = [ItemScore(item_id=i, category="a", score=values[i], answer="") for i in order]
    rule = PairedRule(asked_suite, baseline([1.0] * 100), margin=0.05)
    rule(given)
    stored = QualityResult(
        suite="s",
        suite_sha256="0" * 64,
        items=tuple(sorted(given, key=lambda score: int(score.item_id[1:]))),
        score=0.7,
        by_category={},
        ci95=None,
    )
    again = judged_again(asked_suite, stored, baseline([1.0] * 100), margin=0.05, seed=3)
    assert again == rule.verdict()
    other = judged_again(asked_suite, stored, baseline([1.0] * 100), margin=0.05, seed=4)
    assert other != again


def test_the_interval_ends_where_the_verdict_was_given() -> None:
    base = baseline([1.0] * ITEMS)
    for value, edge in ((1.0, "lo"), (0.0, "hi")):
        rule = PairedRule(suite(), base, margin=0.03)
        asked(rule, [value] * ITEMS)
        found = rule.verdict()
        outwards = getattr(found.difference_ci95, edge) + 0.03
        assert (outwards > 0) if found.verdict is Verdict.PASS else (outwards < 0)


@pytest.mark.parametrize(("every", "least", "most"), [(10**6, 70, 80), (20, 250, ITEMS)])
def test_a_second_asking_ends_when_its_flips_are_known(every: int, least: int, most: int) -> None:
    values = [1.0 - float(number % every == every - 1) for number in range(ITEMS)]
    given, rule = scores(values), settled_flips(baseline([1.0] * ITEMS))
    stopped = [n for n in range(1, ITEMS + 1) if rule(given[:n])]
    assert least <= stopped[0] <= most
    found = rule(given)
    assert found is not None
    assert found.cause is StopCause.CLEAR
    assert "items flip" in found.because


def test_a_margin_is_of_the_baselines_score() -> None:
    assert quality_margin([0.97], baseline([1.0, 0.0])) == pytest.approx(0.015)
    assert quality_margin([], baseline([1.0])) == 0.03
    assert quality_margin([1.0], baseline([1.0])) is None
    assert quality_margin([0.9], baseline([0.0])) is None
