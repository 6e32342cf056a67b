"""Intervals keep what they promise, on known values and in simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from paceline import stats

Draw = Callable[[np.random.Generator, int], "np.typing.NDArray[np.float64]"]


def independent(rng: np.random.Generator, n: int) -> "np.typing.NDArray[np.float64]":
    return np.exp(0.5 * rng.standard_normal(n))


def correlated(rng: np.random.Generator, n: int) -> "np.typing.NDArray[np.float64]":
    noise = rng.standard_normal(n) * math.sqrt(1 - 0.8**2)
    state = rng.standard_normal()
    values = np.empty(n)
    for place in range(n):
        state = 0.8 * state + noise[place]
        values[place] = state
    return np.exp(0.5 * values)


def test_a_quantile_is_interpolated_between_ranks() -> None:
    assert stats.quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert stats.quantile([1.0, 2.0], 0.9) == pytest.approx(1.9)


@pytest.mark.parametrize(
    ("share", "freedom", "value"), [(0.975, 1, 12.7062), (0.975, 10, 2.2281), (0.95, 31, 1.6955)]
)
def test_student_quantiles_are_those_of_the_tables(
    share: float, freedom: float, value: float
) -> None:
    assert stats.student_quantile(share, freedom) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("hits", "trials", "lo", "hi"),
    [(0, 72, 0.0, 0.04994), (5, 100, 0.01643, 0.11283), (100, 100, 0.96378, 1.0)],
)
def test_bounds_of_a_share_are_exact(hits: int, trials: int, lo: float, hi: float) -> None:
    bounds = stats.proportion_bounds(hits, trials)
    assert (bounds.lo, bounds.hi) == pytest.approx((lo, hi), abs=1e-5)


@pytest.mark.parametrize(
    ("share", "limit", "trials"), [(0.0, 0.01, 368), (0.0, 0.05, 72), (1.0, 0.5, 6)]
)
def test_so_many_trials_tell_a_share_from_a_limit_and_one_less_does_not(
    share: float, limit: float, trials: int
) -> None:
    assert stats.trials_to_tell(share, limit) == trials
    for count in (trials - 1, trials):
        bounds = stats.proportion_bounds(share * count, count)
        assert (bounds.hi <= limit or bounds.lo > limit) is (count == trials)


def test_no_number_of_trials_tells_a_share_from_itself() -> None:
    assert stats.trials_to_tell(0.01, 0.01) is None
    assert (stats.trials_to_tell(0.011, 0.01) or 0) > 10_000
    assert stats.requests_to_tell(0.01, 0.01) == "no number of requests tells 1.00% from 1.00%"


def test_a_fair_coin_is_counted_exactly_for_any_number_of_tosses() -> None:
    assert [stats.coin_share(heads, 3) for heads in range(4)] == [1 / 8, 4 / 8, 7 / 8, 1.0]
    assert stats.coin_share(0, 0) == 1.0
    many = stats.coin_share(2450, 5000)  # beyond what a float can count
    assert many == pytest.approx(0.0808, abs=1e-4)
    assert many + stats.coin_share(2549, 5000) == pytest.approx(1.0)


def test_bounds_of_a_share_of_very_many_trials_are_found() -> None:
    bounds = stats.proportion_bounds(18_000, 360_000)
    assert bounds.lo < 0.05 < bounds.hi
    assert bounds.hi - bounds.lo < 0.0016


@pytest.mark.parametrize(("draw", "at_least"), [(independent, 0.92), (correlated, 0.90)])
def test_the_mean_is_inside_its_interval_as_often_as_stated(draw: Draw, at_least: float) -> None:
    rng = np.random.default_rng(7)
    mean = math.exp(0.125)
    inside = 0
    for _ in range(300):
        bounds = stats.mean_bounds(draw(rng, 400))
        assert bounds is not None
        inside += bounds.lo <= mean <= bounds.hi
    assert inside / 300 >= at_least


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("draw", [independent, correlated])
def test_a_percentile_is_inside_its_interval_as_often_as_stated(draw: Draw, share: float) -> None:
    rng = np.random.default_rng(8)
    truth = math.exp(0.5 * {0.5: 0.0, 0.95: 1.644854}[share])
    found = [stats.quantile_bounds(draw(rng, 600), share) for _ in range(300)]
    known = [bounds for bounds in found if bounds is not None]
    assert len(known) > 200
    assert sum(bounds.lo <= truth <= bounds.hi for bounds in known) / len(known) >= 0.90


@pytest.mark.parametrize(("share", "needed"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_few_values_give_a_percentile_no_interval(share: float, needed: int) -> None:
    rng = np.random.default_rng(9)
    assert stats.quantile_bounds(rng.random(needed - 1), share) is None
    assert stats.quantile_bounds(rng.random(needed), share) is not None


def test_one_value_has_no_interval() -> None:
    assert stats.mean_bounds([1.0]) is None
    assert stats.quantile_bounds([1.0], 0.5) is None


def test_correlated_trials_are_worth_fewer_independent_ones() -> None:
    rng = np.random.default_rng(10)
    blocks = np.repeat(rng.random(50) < 0.3, 40)
    assert stats.design_effect(blocks) > 10
    assert stats.design_effect(rng.random(2000) < 0.3) < 3
    assert stats.design_effect(np.zeros(2000, dtype=bool)) == 1.0


def test_a_steady_series_does_not_drift_and_loses_no_ramp() -> None:
    rng = np.random.default_rng(11)
    drifts = sum(stats.drift(10 + rng.standard_normal(200)) is not None for _ in range(200))
    ramps = sum(stats.ramp_length(10 + rng.standard_normal(200)) > 0 for _ in range(200))
    assert drifts <= 6
    assert ramps <= 10


def test_growth_is_drift_with_its_direction() -> None:
    rng = np.random.default_rng(12)
    growing = np.linspace(10, 15, 300) + rng.standard_normal(300)
    change = stats.drift(growing)
    assert change is not None
    assert change == pytest.approx(0.4, abs=0.1)
    shrinking = stats.drift(growing[::-1])
    assert shrinking is not None
    assert shrinking < 0


def test_few_values_do_not_drift() -> None:
    assert stats.drift([1.0, 2.0, 3.0]) is None
    assert stats.drift([]) is None


def test_a_slow_start_is_cut_off() -> None:
    rng = np.random.default_rng(13)
    series = np.concatenate([np.linspace(40, 10, 50), np.full(350, 10.0)])
    cut = stats.ramp_length(series + rng.standard_normal(400))
    assert 30 <= cut <= 80
