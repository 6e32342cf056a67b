from collections.abc import Sequence

import pytest

from paceline.records.fidelity import Fidelity, Reading
from paceline.records.quality import (
    ItemScore,
    QualityResult,
    StopCause,
    Stopped,
    Suite,
)
from paceline.testing.builders import a_suite, an_item
from paceline.trial.garbage import FIRST, LAST, broken_distributions, fault_of, garbage_rule, loops


def suite(question: str = "What is it?", count: int = 40) -> Suite:
    return a_suite(an_item(f"q{number}", question=question) for number in range(count))


def score(
    answer: str = "no",
    *,
    number: int = 0,
    value: float = 0.0,
    error: str | None = None,
    finish: str = "stop",
) -> ItemScore:
    return ItemScore(
        item_id=f"q{number}",
        category="c",
        score=value,
        answer=answer,
        error=error,
        finish_reason=finish,
    )


def judge(scores: Sequence[ItemScore], asked: Suite | None = None) -> Stopped | None:
    return garbage_rule(asked or suite())(scores)


@pytest.mark.parametrize(
    "broken",
    [
        score("", error="HTTP 500"),
        score(""),
        score("the the the the the the the the the the the the"),
        score("\ufffd\ufffd\ufffd a"),
        score("abc где 你好 שלום"),
        score("да, это правильно"),
        score("and so it went on", finish="length"),
    ],
)
def test_each_fault_everywhere_stops_at_once(broken: ItemScore) -> None:
    assert judge([broken] * (FIRST - 1)) is None
    stopped = judge([broken] * FIRST)
    assert stopped is not None
    assert stopped.cause is StopCause.GARBAGE
    assert f"of the first {FIRST} answers: {FIRST} " in stopped.because


def test_the_first_error_is_shown() -> None:
    stopped = judge([score("", error="HTTP 404: no such model")] * FIRST)
    assert stopped is not None
    assert "no such model" in stopped.because


def test_a_weak_model_is_not_a_broken_one() -> None:
    assert judge([score("Lyon, I believe.", value=0.0)] * 30) is None


def test_a_few_faults_are_no_garbage() -> None:
    mixed = [score("")] * 8 + [score("fine")] * 4
    assert judge(mixed) is None


def test_right_answers_that_were_cut_off_are_fine() -> None:
    assert judge([score("yes and", value=1.0, finish="length")] * 20) is None


def test_another_script_is_fine_when_the_suite_asks_in_it() -> None:
    assert judge([score("нет")] * 20, suite("Что это?")) is None


def test_later_answers_are_left_to_the_comparison() -> None:
    assert judge([score("")] * (LAST + 1)) is None


def baseline(right: int) -> QualityResult:
    items = tuple(score("x", number=number, value=float(number < right)) for number in range(40))
    return QualityResult(
        suite="s", suite_sha256="0" * 64, items=items, score=right / 40, by_category={}, ci95=None
    )


def test_a_collapse_below_the_baseline_is_garbage() -> None:
    rule = garbage_rule(suite(), baseline(40))
    fluent = [score("a word", number=number) for number in range(FIRST)]
    stopped = rule(fluent)
    assert stopped is not None
    assert stopped.because == f"0 of the first {FIRST} answers are right; the baseline has {FIRST}"


def test_a_weak_baseline_shows_no_collapse() -> None:
    rule = garbage_rule(suite(), baseline(4))
    assert rule([score("a word", number=number) for number in range(FIRST)]) is None


def test_half_damage_is_left_to_the_comparison() -> None:
    rule = garbage_rule(suite(), baseline(40))
    half = [score("w", number=number, value=float(number % 2)) for number in range(FIRST)]
    assert rule(half) is None


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no.",
        "1 + 2 = 3, 3 + 3 = 6, and 6 + 3 = 9, so the total is 9 apples in the basket.",
        '{"name": "Ann", "age": 31, "city": "Bern", "tags": ["a", "b", "c"]}',
    ],
)
def test_ordinary_text_does_not_loop(text: str) -> None:
    assert not loops(text)


def test_a_fault_is_named_by_the_first_that_applies() -> None:
    assert fault_of(score("", error="x", finish="length"), {"LATIN"}) == "failed"
    assert fault_of(score("fine"), {"LATIN"}) is None


def distance(kl_nats: float, positions: int = 1800) -> Fidelity:
    return Fidelity(
        reading=Reading.FORCED,
        positions=positions,
        mean_kl_nats=kl_nats,
        mean_kl_ci95=None,
        top1_agreement=0.9,
        top1_ci95=None,
        perplexity_ratio=1.0,
        coverage=0.93,
    )


@pytest.mark.parametrize(
    ("kl_nats", "bits"), [(0.002, 8.0), (0.009, 16.0), (0.12, 4.125), (0.25, 3.16), (1.5, None)]
)
def test_what_sound_formats_cost_is_no_garbage(kl_nats: float, bits: float | None) -> None:
    assert broken_distributions(distance(kl_nats), bits) is None


@pytest.mark.parametrize(("kl_nats", "bits"), [(0.037, 8.0), (1.0, 4.125), (2.5, None)])
def test_distributions_that_no_sound_format_explains_are_garbage(
    kl_nats: float, bits: float | None
) -> None:
    stopped = broken_distributions(distance(kl_nats), bits)
    assert stopped is not None
    assert stopped.cause is StopCause.GARBAGE
    assert f"{kl_nats:.3f} nats" in stopped.because
    assert broken_distributions(distance(kl_nats, positions=50), bits) is None
