from dataclasses import replace

import pytest

from paceline.records.load import LoadSummary
from paceline.records.measurement import Interval, Stat
from paceline.records.metric_names import constrained_name
from paceline.records.quality import ItemScore, QualityResult
from paceline.records.request import Comparison, Constraint
from paceline.testing.builders import a_workload
from paceline.trial.metrics import Footprint, trial_metrics

STAT = Stat(
    mean=10.0,
    p50=9.0,
    p90=14.0,
    p95=20.0,
    p99=None,
    max=30.0,
    n=40,
    ci95={"mean": Interval(lo=9.5, hi=10.5), "p95": None},
)
LOAD = LoadSummary(
    ttft_ms=STAT,
    tpot_ms=STAT,
    itl_ms=STAT,
    e2e_ms=STAT,
    scheduled_e2e_ms=STAT,
    scheduled_ttft_ms=STAT,
    output_tokens_per_s=1000.0,
    output_tokens_per_s_ci95=Interval(lo=800.0, hi=1250.0),
    requests_per_s=20.0,
    ok=36,
    failed=4,
    incomplete=0,
    outcomes={"ok": 36, "reset": 4},
    window_s=10.0,
    steady=True,
    token_counts={"usage": 36},
)
FOOTPRINT = Footprint(
    peak_memory_gib=4.0, memory_gib=16.0, cold_start_s=3.5, price_usd_per_hour=0.36
)


def test_cost_per_million_tokens_is_price_over_rate_with_the_interval_turned_round() -> None:
    cost = trial_metrics(LOAD, None, FOOTPRINT)["cost_usd_per_mtok"]
    assert cost.value == pytest.approx(0.1)  # $0.36/h ÷ 3,600 ÷ 1,000 tokens/s × 1e6
    assert cost.ci95 is not None
    assert (cost.ci95.lo, cost.ci95.hi) == pytest.approx((0.08, 0.125))


def test_what_is_undefined_is_absent_and_not_zero() -> None:
    found = trial_metrics(LOAD, None, FOOTPRINT)
    assert "ttft_p99_ms" not in found
    assert "quality" not in found
    assert found["ttft_p95_ms"].ci95 is None


def _pictures(*figures: dict[str, float]) -> QualityResult:
    items = tuple(
        ItemScore(item_id=f"p{n}", category="fidelity", score=1.0, answer="p", figures=seen)
        for n, seen in enumerate(figures)
    )
    return QualityResult(
        suite="pictures", suite_sha256="0", items=items, score=1.0, by_category={}, ci95=None
    )


def test_likeness_of_pixels_and_latents_is_the_mean_of_the_pictures_that_have_both() -> None:
    both = {"ssim": 0.9, "latent_ssim": 0.7}, {"ssim": 0.7, "latent_ssim": 0.5}
    found = trial_metrics(None, _pictures(*both, {"ssim": 0.1}, {}), FOOTPRINT)
    assert found["pixels_ssim"].value == pytest.approx(0.8)
    assert found["latents_ssim"].value == pytest.approx(0.6)
    assert found["latents_ssim"].n == 2
    assert "pixels_ssim" not in trial_metrics(None, _pictures({"ssim": 0.9}), FOOTPRINT)


def test_nothing_answered_has_no_cost() -> None:
    idle = replace(LOAD, output_tokens_per_s=0.0, requests_per_s=0.0, ok=0)
    found = trial_metrics(idle, None, FOOTPRINT)
    assert "cost_usd_per_mtok" not in found
    assert "cost_usd_per_request" not in found


def test_no_price_no_cost() -> None:
    found = trial_metrics(LOAD, None, replace(FOOTPRINT, price_usd_per_hour=None))
    assert not [name for name in found if name.startswith("cost")]


def test_failures_count_in_their_share() -> None:
    load = replace(LOAD, failed_share_ci95=Interval(lo=0.05, hi=0.2))
    found = trial_metrics(load, None, FOOTPRINT)["failed_share"]
    assert found.value == pytest.approx(0.1)
    assert found.ci95 == Interval(lo=0.05, hi=0.2)


@pytest.mark.parametrize(
    ("metric", "statistic", "unit"),
    [
        ("ttft", "p95", "ms"),
        ("output_tokens_per_s", None, "tokens/s"),
        ("memory", None, "%"),
        ("memory", None, "GiB"),
        ("cold_start", None, "s"),
        ("cost", None, "usd/month"),
        ("cost", None, "usd/request"),
    ],
)
def test_constraints_find_their_figure(metric: str, statistic: str | None, unit: str) -> None:
    constraint = Constraint(
        metric=metric, statistic=statistic, comparison=Comparison.AT_MOST, limit=1.0, unit=unit
    )
    assert constrained_name(constraint, a_workload()) in trial_metrics(LOAD, None, FOOTPRINT)


def test_of_pictures_nothing_is_said_of_tokens() -> None:
    found = trial_metrics(LOAD, None, replace(FOOTPRINT, images=True))
    assert not [name for name in found if "tok" in name or name.startswith(("ttft", "tpot", "itl"))]
    assert found["e2e_p50_ms"].value == 9.0
    cost = found["cost_usd_per_image"]
    assert cost.unit == "usd/image"
    assert cost.value == found["cost_usd_per_request"].value == pytest.approx(0.36 / 3600 / 20)


def test_of_texts_nothing_is_said_of_pictures() -> None:
    assert "cost_usd_per_image" not in trial_metrics(LOAD, None, FOOTPRINT)
