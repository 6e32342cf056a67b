"""`METRIC [STATISTIC] OP VALUE[UNIT]`."""

import random

import pytest

from paceline.errors import Code, SpecError
from paceline.records.request import Budget, Comparison, Constraint
from paceline.spec.grammar import parse_budget, parse_constraint
from paceline.testing.constraint_texts import a_constraint_text
from paceline.units import Seconds, Usd


def test_every_constraint_prints_as_text_that_reads_back_equal() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        text = a_constraint_text(chance)
        constraint = parse_constraint(text)
        assert parse_constraint(constraint.text) == constraint, text


def test_no_digit_of_a_limit_is_lost() -> None:
    constraint = parse_constraint("e2e p95 <= 1234567.891ms")
    assert constraint.limit == 1234567.891
    assert constraint.text == "e2e p95 <= 1234567.891ms"


@pytest.mark.parametrize(
    ("text", "limit", "unit"),
    [
        ("ttft p95 <= 0.2s", 200.0, "ms"),
        ("cold_start <= 1500 ms", 1.5, "s"),
        ("quality >= 90%", 0.9, ""),
        ("memory <= 1024 MiB", 1.0, "GiB"),
        ("memory <= 80%", 80.0, "%"),
        ("goodput >= 90 requests / min", 1.5, "requests/s"),
        ("cost <= $500/month", 500.0, "usd/month"),
        ("cost < 0.4 USD per million tokens", 0.4, "usd/mtok"),
        ("output_tokens_per_s >= 500", 500.0, "tokens/s"),
        ("tpot mean <= 4e1ms", 40.0, "ms"),
    ],
)
def test_limits_are_held_in_the_base_unit(text: str, limit: float, unit: str) -> None:
    constraint = parse_constraint(text)
    assert constraint.limit == pytest.approx(limit, rel=1e-11)
    assert constraint.unit == unit


def test_a_factor_of_the_baseline_keeps_its_number() -> None:
    assert parse_constraint("quality >= 0.97x") == Constraint(
        metric="quality",
        statistic=None,
        comparison=Comparison.AT_LEAST,
        limit=0.97,
        unit="",
        relative=True,
    )
    assert parse_constraint("output_tokens_per_s >= 3x").limit == 3.0


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", Code.BAD_CONSTRAINT, ["''", "METRIC [STATISTIC] OP VALUE[UNIT]"]),
        ("ttft p95 = 200ms", Code.BAD_CONSTRAINT, ["'ttft p95 = 200ms'", "<= < >= >"]),
        ("tfft p95 <= 1s", Code.UNKNOWN_NAME, ["'tfft'", "write 'ttft'"]),
        ("ttft p96 <= 1s", Code.UNKNOWN_NAME, ["'p96'", "p90, p95, p99"]),
        ("ttft p95 <= 1 parsec", Code.UNKNOWN_NAME, ["'parsec'", "ms, s"]),
        ("ttft p95 <= 200", Code.BAD_CONSTRAINT, ["unit of 200", "write `200ms`"]),
        ("cost <= 5", Code.BAD_CONSTRAINT, ["unit of 5", "usd/month"]),
        ("ttft <= 200ms", Code.BAD_CONSTRAINT, ["which statistic of ttft", "p95"]),
        ("quality p95 >= 0.9", Code.BAD_CONSTRAINT, ["'p95' does not belong", "one reading"]),
        ("ttft p95 <= -5ms", Code.BAD_CONSTRAINT, ["-5ms", "above 0ms"]),
        ("ttft p95 <= 0ms", Code.BAD_CONSTRAINT, ["0ms", "above 0ms"]),
        ("ttft p95 <= 1e999ms", Code.BAD_CONSTRAINT, ["infms"]),
        ("quality >= 1.2", Code.BAD_CONSTRAINT, ["1.2", "at most 1"]),
        ("quality > 1", Code.BAD_CONSTRAINT, ["at most 1"]),
        ("memory <= 120%", Code.BAD_CONSTRAINT, ["120%", "at most 100%"]),
        ("quality >= 0x", Code.BAD_CONSTRAINT, ["0x", "above 0x"]),
        ("failed_share < 0", Code.BAD_CONSTRAINT, ["nothing is below 0"]),
        ("failed_share <= 2x", Code.BAD_CONSTRAINT, ["baseline can be 0"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_words_and_the_choice(
    text: str, code: Code, words: list[str]
) -> None:
    with pytest.raises(SpecError) as refused:
        parse_constraint(text)
    assert refused.value.code is code
    for word in words:
        assert word in str(refused.value)


def test_no_failure_at_all_can_be_asked_for() -> None:
    assert parse_constraint("failed_share <= 0").limit == 0.0


@pytest.mark.parametrize(
    ("text", "seconds", "usd"),
    [
        ("10m", 600.0, None),
        ("$20", None, 20.0),
        ("10m|$20", 600.0, 20.0),
        ("$2.50, 90 s", 90.0, 2.5),
    ],
)
def test_budgets_are_a_time_dollars_or_both(
    text: str, seconds: float | None, usd: float | None
) -> None:
    assert parse_budget(text) == Budget(
        seconds=None if seconds is None else Seconds(seconds),
        usd=None if usd is None else Usd(usd),
    )


@pytest.mark.parametrize(
    "text", ["", "20", "ten", "-3m", "$0", "10m|5m", "$1|$2", "10 parsecs", "1e999m"]
)
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_budget(text)
    assert refused.value.code is Code.BAD_OPTION
    assert repr(text) in str(refused.value)
