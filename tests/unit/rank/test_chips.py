"""Short texts from measurements only."""

from dataclasses import replace

from paceline.rank.chips import chips
from paceline.rank.filter import Measured
from paceline.rank.inside import inside_chips
from paceline.rank.objective import Dimensions
from paceline.rank.pool import Pooled
from paceline.records.measurement import Interval, Metric
from paceline.records.quality import QualityComparison
from paceline.testing.builders import IMAGE_FACTS, a_metric, a_variant, a_workload

DIMS = Dimensions(latency="ttft_p95_ms", cost="cost_usd_per_mtok")


def pooled(engine: str, format_: str, **metrics: Metric) -> Pooled:
    return Pooled(
        variant=a_variant(engine, format_),
        metrics=metrics,
        quality=None,
        unsound=None,
        set_aside=(),
        trials=1,
    )


BASELINE = pooled(
    "transformers",
    "bf16",
    output_tokens_per_s=a_metric(60.0, "tokens/s"),
    ttft_p95_ms=a_metric(3210.4),
    quality=a_metric(0.914, ""),
)


def of(
    subject: Pooled,
    baseline: Pooled | None = BASELINE,
    comparison: QualityComparison | None = None,
) -> tuple[str, ...]:
    measured = Measured(
        pooled=subject, baseline=baseline, comparison=comparison, workload=a_workload()
    )
    return chips(measured, DIMS)


def test_a_variant_is_shown_against_the_baseline() -> None:
    comparison = QualityComparison(
        ratio=0.987,
        ratio_ci95=Interval(lo=0.97, hi=1.0),
        difference=-0.01,
        difference_ci95=Interval(lo=-0.02, hi=0.0),
        p_value=0.5,
        lost=(),
        gained=(),
    )
    subject = pooled(
        "openvino",
        "int8",
        output_tokens_per_s=a_metric(205.0, "tokens/s"),
        ttft_p95_ms=a_metric(121.34),
        cost_usd_per_mtok=a_metric(0.1234, "usd/mtok"),
        peak_memory_gib=a_metric(1.26, "GiB"),
        quality=a_metric(0.9, ""),
    )
    assert of(subject, comparison=comparison) == (
        "int8",
        "3.4x baseline tokens/s",
        "quality 0.99x",
        "ttft p95 121 ms",
        "$0.123/mtok",
        "1.3 GiB",
    )


def test_the_baseline_is_called_so() -> None:
    assert of(BASELINE) == ("bf16", "baseline", "quality 0.91", "ttft p95 3,210 ms")


def test_what_was_not_measured_has_no_chip() -> None:
    assert of(pooled("openvino", "int4")) == ("int4",)
    fast = pooled("openvino", "int4", output_tokens_per_s=a_metric(9.0))
    assert of(fast, baseline=None) == ("int4",)


def test_an_image_variant_is_described_by_what_is_inside_and_never_by_its_name() -> None:
    image = Dimensions(latency="e2e_p50_ms", cost="cost_usd_per_image", throughput="requests_per_s")
    subject = pooled(
        "diffusers",
        "fp8",
        requests_per_s=a_metric(4.0, "requests/s"),
        e2e_p50_ms=a_metric(512.0),
        cost_usd_per_image=a_metric(0.0021, "usd/image"),
    )
    base = pooled("diffusers", "bf16", requests_per_s=a_metric(2.0, "requests/s"))
    measured = Measured(pooled=subject, baseline=base, comparison=None, workload=a_workload())
    figures = ("2.0x baseline images/s", "e2e p50 512 ms", "$0.0021/image")
    assert chips(measured, image) == figures
    seen = replace(measured, pooled=replace(subject, inspected=IMAGE_FACTS))
    assert chips(seen, image) == (*inside_chips(IMAGE_FACTS), *figures)
