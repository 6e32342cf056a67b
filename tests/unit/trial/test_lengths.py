"""The grammar of length distributions, and what is drawn from them."""

import numpy as np
import pytest

from paceline.errors import SpecError
from paceline.records.load_plan import LengthKind, Lengths
from paceline.trial.lengths import draw, parse_lengths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64", Lengths(kind=LengthKind.FIXED, mean=64)),
        ("fixed:64", Lengths(kind=LengthKind.FIXED, mean=64)),
        ("uniform:10,20", Lengths(kind=LengthKind.UNIFORM, mean=15, low=10, high=20)),
        ("normal:100,20", Lengths(kind=LengthKind.NORMAL, mean=100, deviation=20)),
        (
            "lognormal: 100, 50 [8, 400]",
            Lengths(kind=LengthKind.LOGNORMAL, mean=100, deviation=50, low=8, high=400),
        ),
        ("exponential:30", Lengths(kind=LengthKind.EXPONENTIAL, mean=30)),
    ],
)
def test_the_grammar_is_read(text: str, expected: Lengths) -> None:
    assert parse_lengths(text, option="--input-tokens") == expected


@pytest.mark.parametrize(
    "text", ["", "lots", "zipf:3", "uniform:5", "uniform:9,3", "fixed:1,2", "0", "normal:-5,2"]
)
def test_what_is_no_distribution_is_refused_by_name(text: str) -> None:
    with pytest.raises(SpecError, match="--output-tokens"):
        parse_lengths(text, option="--output-tokens")


@pytest.mark.parametrize("text", ["normal:200,40", "lognormal:200,100", "exponential:200"])
def test_draws_have_the_stated_mean(text: str) -> None:
    drawn = draw(parse_lengths(text, option="x"), 20_000, np.random.default_rng(1))
    assert float(drawn.mean()) == pytest.approx(200, rel=0.03)


def test_log_normal_draws_have_the_stated_deviation() -> None:
    drawn = draw(parse_lengths("lognormal:200,100", option="x"), 50_000, np.random.default_rng(1))
    assert float(drawn.std()) == pytest.approx(100, rel=0.05)


def test_draws_stay_within_their_bounds() -> None:
    drawn = draw(parse_lengths("normal:50,100[10,80]", option="x"), 1000, np.random.default_rng(1))
    assert (drawn.min(), drawn.max()) == (10, 80)
    uniform = draw(parse_lengths("uniform:3,5", option="x"), 1000, np.random.default_rng(1))
    assert set(uniform.tolist()) == {3, 4, 5}
