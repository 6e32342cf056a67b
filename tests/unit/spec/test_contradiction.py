"""Constraints that leave no value between them."""

import random

import pytest

from paceline.errors import Code, SpecError
from paceline.spec.contradiction import refuse_contradictions
from paceline.spec.grammar import parse_constraint


def refuse(*texts: str) -> None:
    refuse_contradictions([parse_constraint(text) for text in texts])


@pytest.mark.parametrize(
    "pair",
    [
        ("ttft p95 <= 100ms", "ttft p95 >= 200ms"),
        ("ttft p95 < 100ms", "ttft p95 >= 100ms"),
        ("ttft p50 >= 300ms", "ttft p95 <= 200ms"),
        ("ttft p99 >= 300ms", "ttft max <= 0.2s"),
        ("itl mean > 30ms", "itl max < 20ms"),
        ("ttft p90 >= 3s", "e2e p95 <= 2s"),
        ("output_tokens_per_s >= 3x", "output_tokens_per_s <= 2x"),
        ("memory >= 90%", "memory <= 80%"),
    ],
)
def test_crossed_limits_are_refused_with_both_named(pair: tuple[str, str]) -> None:
    for order in (pair, pair[::-1]):
        with pytest.raises(SpecError) as refused:
            refuse("quality >= 0.9", *order)
        assert refused.value.code is Code.CONTRADICTION
        for text in pair:
            assert repr(parse_constraint(text).text) in str(refused.value)


@pytest.mark.parametrize(
    "texts",
    [
        ("ttft p95 <= 100ms", "ttft p95 >= 100ms"),
        ("ttft p95 >= 300ms", "ttft p50 <= 200ms"),
        ("ttft mean >= 300ms", "ttft p95 <= 200ms"),  # a few requests can pull the mean up
        ("ttft p95 <= 100ms", "ttft p95 <= 200ms"),
        ("e2e p95 >= 3s", "ttft p95 <= 2s"),
        ("quality >= 0.9", "quality <= 0.8x"),
        ("ttft p50 >= 3x", "ttft p95 <= 2x"),
        ("memory >= 8GiB", "memory <= 1%"),
        ("cost <= 1 usd/mtok", "cost >= 500 usd/month"),
    ],
)
def test_what_can_hold_together_is_let_through(texts: tuple[str, ...]) -> None:
    refuse(*texts)


def test_limits_that_some_sample_of_latencies_meets_are_never_refused() -> None:
    chance = random.Random(3)
    for _ in range(500):
        low, high = sorted(chance.uniform(10, 1000) for _ in range(2))
        lower, upper = sorted(chance.sample(["p50", "p90", "p95", "p99", "max"], 2), key=_place)
        refuse(f"ttft {lower} <= {low:.4f}ms", f"ttft {upper} >= {high:.4f}ms")
        refuse(f"ttft {lower} >= {low:.4f}ms", f"ttft {upper} <= {high + 1:.4f}ms")


def _place(statistic: str) -> int:
    return ["p50", "p90", "p95", "p99", "max"].index(statistic)
