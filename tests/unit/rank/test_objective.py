"""What each priority means as a number."""

from dataclasses import replace

import pytest

from paceline.rank.filter import Measured
from paceline.rank.objective import dimensions, objective, quality_of
from paceline.rank.pool import Pooled
from paceline.records.image import ImageLoad
from paceline.records.measurement import Interval, Metric
from paceline.records.quality import QualityComparison, QualityResult
from paceline.records.request import Priority
from paceline.spec.grammar import parse_constraint
from paceline.testing.builders import a_metric, a_request, a_variant, a_workload

SUITE = QualityResult(
    suite="s", suite_sha256="a" * 64, items=(), score=0.8, by_category={}, ci95=None
)
COMPARISON = QualityComparison(
    ratio=0.5,
    ratio_ci95=Interval(lo=0.4, hi=0.6),
    difference=-0.4,
    difference_ci95=Interval(lo=-0.5, hi=-0.3),
    p_value=0.0,
    lost=(),
    gained=(),
)


def pooled(engine: str, speed: float, *, quality: bool = True) -> Pooled:
    metrics: dict[str, Metric] = {
        "e2e_p95_ms": a_metric(1000.0 / speed, spread=0.1),
        "ttft_p95_ms": a_metric(100.0 / speed, spread=0.1),
        "output_tokens_per_s": a_metric(50.0 * speed, "tokens/s", spread=0.1),
        "cost_usd_per_mtok": a_metric(2.0 / speed, "usd/mtok", spread=0.1),
        "cost_usd_per_request": a_metric(0.1 / speed, "usd/request", spread=0.1),
    }
    return Pooled(
        variant=a_variant(engine),
        metrics=metrics | ({"quality": a_metric(0.8, "")} if quality else {}),
        quality=SUITE if quality else None,
        unsound=None,
        set_aside=(),
        trials=1,
    )


BASELINE = pooled("transformers", 1.0)


def measured(
    subject: Pooled, comparison: QualityComparison | None = None, baseline: Pooled | None = BASELINE
) -> Measured:
    return Measured(pooled=subject, baseline=baseline, comparison=comparison, workload=a_workload())


@pytest.mark.parametrize(
    ("constraints", "rate_rps", "latency", "cost"),
    [
        ([], None, "e2e_p95_ms", "cost_usd_per_mtok"),
        ([], 2.0, "scheduled_e2e_p95_ms", "cost_usd_per_mtok"),
        (
            ["quality >= 0.9", "ttft p99 <= 1s", "e2e p50 <= 9s"],
            None,
            "ttft_p99_ms",
            "cost_usd_per_mtok",
        ),
        (["ttft p95 >= 1ms"], None, "e2e_p95_ms", "cost_usd_per_mtok"),
        (["cost <= 500 usd/month"], None, "e2e_p95_ms", "cost_usd_per_mtok"),
        (["cost <= 0.1 usd/request"], None, "e2e_p95_ms", "cost_usd_per_request"),
        (["ttft p95 <= 1s"], 2.0, "scheduled_ttft_p95_ms", "cost_usd_per_mtok"),
    ],
)
def test_the_first_limited_latency_and_unit_cost_stand_for_their_dimension(
    constraints: list[str], rate_rps: float | None, latency: str, cost: str
) -> None:
    request = a_request(
        *(parse_constraint(text) for text in constraints), workload=a_workload(rate_rps=rate_rps)
    )
    found = dimensions(request)
    assert (found.latency, found.cost) == (latency, cost)


@pytest.mark.parametrize(
    ("priority", "value", "unit", "less"),
    [
        (Priority.LATENCY, 250.0, "ms", True),
        (Priority.THROUGHPUT, 200.0, "tokens/s", False),
        (Priority.COST, 0.5, "usd/mtok", True),
        (Priority.QUALITY, 0.5, "x", False),
        (Priority.BALANCED, (4 * 4 * 4 * 0.5) ** 0.25, "x", False),
    ],
)
def test_each_priority_is_its_figure_with_a_formula(
    priority: Priority, value: float, unit: str, less: bool
) -> None:
    goal = objective(a_request(priority=priority), BASELINE)
    reading = goal.of(measured(pooled("openvino", 4.0), COMPARISON))
    assert reading is not None
    assert reading.value == pytest.approx(value)
    assert reading.interval is not None
    assert reading.interval.lo <= value <= reading.interval.hi
    assert (goal.unit, goal.less_is_better) == (unit, less)
    assert goal.formula.startswith(priority.value)


def test_the_formula_of_balanced_names_what_is_in_it() -> None:
    goal = objective(a_request(priority=Priority.BALANCED), BASELINE)
    assert goal.formula == (
        "balanced: geometric mean of baseline ÷ e2e_p95_ms, output_tokens_per_s ÷ baseline, "
        "baseline ÷ cost_usd_per_mtok, quality ÷ baseline; more is better"
    )
    bare = objective(
        a_request(priority=Priority.BALANCED), pooled("transformers", 1.0, quality=False)
    )
    assert "quality" not in bare.formula
    reading = bare.of(measured(pooled("openvino", 4.0, quality=False)))
    assert reading is not None and reading.value == pytest.approx(4.0)


def test_the_baseline_of_balanced_is_one() -> None:
    reading = objective(a_request(priority=Priority.BALANCED), BASELINE).of(measured(BASELINE))
    assert reading is not None and reading.value == pytest.approx(1.0)


def test_who_lacks_a_figure_of_balanced_has_no_objective() -> None:
    goal = objective(a_request(priority=Priority.BALANCED), BASELINE)
    assert goal.of(measured(pooled("openvino", 4.0, quality=False))) is None


def test_without_a_baseline_quality_is_the_composite_and_balanced_is_nothing() -> None:
    quality = objective(a_request(priority=Priority.QUALITY), None)
    reading = quality.of(measured(pooled("openvino", 4.0), baseline=None))
    assert reading is not None and reading.value == 0.8
    balanced = objective(a_request(priority=Priority.BALANCED), None)
    assert balanced.of(measured(pooled("openvino", 4.0), baseline=None)) is None
    assert "the baseline has no figures" in balanced.formula


def test_the_quality_of_the_baseline_is_exactly_one() -> None:
    reading = quality_of(measured(BASELINE))
    assert reading is not None and reading.interval == Interval(lo=1.0, hi=1.0)
    assert quality_of(measured(pooled("openvino", 1.0))) is None


def test_of_pictures_the_median_the_rate_and_the_price_of_one_decide() -> None:
    images = replace(a_workload(), image=ImageLoad(width_px=64, height_px=64))
    dims = dimensions(a_request(workload=images))
    assert (dims.latency, dims.throughput, dims.cost) == (
        "e2e_p50_ms",
        "requests_per_s",
        "cost_usd_per_image",
    )
    limited = a_request(parse_constraint("e2e p95 <= 2s"), workload=images)
    assert dimensions(limited).latency == "e2e_p95_ms"
    goal = objective(a_request(priority=Priority.THROUGHPUT, workload=images), None)
    assert goal.unit == "requests/s"


def test_balanced_pictures_count_speed_rate_and_price() -> None:
    images = replace(a_workload(), image=ImageLoad(width_px=64, height_px=64))

    def painted(engine: str, speed: float) -> Pooled:
        figures = {
            "e2e_p50_ms": a_metric(100.0 / speed),
            "requests_per_s": a_metric(10.0 * speed, "requests/s"),
            "cost_usd_per_image": a_metric(0.01 / speed, "usd/image"),
        }
        return replace(pooled(engine, 1.0, quality=False), metrics=figures)

    base = painted("diffusers", 1.0)
    goal = objective(a_request(priority=Priority.BALANCED, workload=images), base)
    found = goal.of(
        Measured(pooled=painted("other", 3.0), baseline=base, comparison=None, workload=images)
    )
    assert found is not None
    assert found.value == pytest.approx(3.0)
    assert "requests_per_s ÷ baseline" in goal.formula
