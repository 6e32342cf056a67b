from dataclasses import replace

import pytest

from paceline.plan.local.foretell import Lesson, Subject, foretell
from paceline.plan.local.machine import device_of, shape_of_counts
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.plan import Predicted
from paceline.records.variant import Variant
from paceline.testing.builders import a_cpu, a_model, a_workload

CPU = replace(a_cpu(), features=("avx2", "avx512f", "avx512_bf16"))


def a_subject(
    engine: str = "openvino",
    format_: str = "int8",
    *,
    concurrency: int = 8,
    rate_rps: float | None = None,
    speculation: str | None = None,
) -> Subject:
    device = device_of(CPU)
    assert device is not None
    return Subject(
        variant=Variant(
            accelerator="cpu", count=1, format=format_, engine=engine, speculation=speculation
        ),
        model="m",
        shape=shape_of_counts(a_model(140_000_000)),
        device=device,
        workload=a_workload(concurrency=concurrency, rate_rps=rate_rps),
        usd_per_hour=0.1,
    )


def throughput(found: Predicted) -> tuple[float, float, float]:
    metric = found.metrics["output_tokens_per_s"]
    return metric.band90.lo, metric.value, metric.band90.hi


def test_figures_have_contract_names_units_and_bands() -> None:
    (found,) = foretell([a_subject()], ())
    assert {"ttft_p95_ms", "tpot_mean_ms", "e2e_p95_ms", "cost_usd_per_mtok"} <= set(found.metrics)
    for metric in found.metrics.values():
        assert metric.band90.lo <= metric.value <= metric.band90.hi
    assert found.metrics["cost_usd_per_mtok"].unit == "usd/mtok"
    assert found.local_trials == 0


def test_the_band_of_a_processor_is_wide() -> None:
    (found,) = foretell([a_subject()], ())
    low, _, high = throughput(found)
    assert high / low > 4


def test_open_loops_are_predicted_under_the_names_they_are_judged_by() -> None:
    (found,) = foretell([a_subject(rate_rps=1.0)], ())
    assert found.metrics["scheduled_ttft_p95_ms"] == found.metrics["ttft_p95_ms"]


@pytest.mark.parametrize(
    "subject",
    [a_subject("fake"), a_subject(format_="no-such-format"), a_subject(speculation="ngram")],
)
def test_of_what_it_does_not_know_it_says_nothing(subject: Subject) -> None:
    assert foretell([subject], ()) == ()


def test_a_trial_of_this_machine_moves_and_narrows_its_like() -> None:
    seen, like = a_subject(), a_subject(format_="int4")
    (before,) = foretell([like], ())
    low, value, high = throughput(foretell([seen], ())[0])
    lesson = Lesson(subject=seen, measured=(value * 3, None, None))
    (after,) = foretell([like], [lesson])
    assert throughput(after)[1] > throughput(before)[1]
    assert (
        throughput(after)[2] / throughput(after)[0] < throughput(before)[2] / throughput(before)[0]
    )
    assert after.local_trials == 1
    assert after.metrics["tpot_mean_ms"] == before.metrics["tpot_mean_ms"], "nothing was measured"
    (again,) = foretell([seen], [lesson])
    assert throughput(again)[1] == pytest.approx(value * 3, rel=0.05)
    assert low < value < high


def test_real_trials_of_a_two_core_machine_lie_in_the_bands() -> None:
    """engines.md of the shared reference: a 144M-parameter model at 1 and 8 in flight."""
    measured = {
        ("openvino", "int8", 1): 166.0,
        ("openvino", "int8", 8): 614.0,
        ("llamacpp", "q4_0", 8): 470.0,
        ("vllm", "bf16", 1): 98.0,
        ("vllm", "bf16", 8): 374.0,
    }
    for (engine, format_, load), truth in measured.items():
        (found,) = foretell([a_subject(engine, format_, concurrency=load)], ())
        low, _, high = throughput(found)
        assert low < truth < high, (engine, format_, load)


def test_cards_are_looked_up_and_unknown_ones_are_not_guessed() -> None:
    card = Accelerator(name="L4-24GB", kind=AcceleratorKind.GPU, memory_gib=22.5, available=1)
    known = device_of(card)
    assert known is not None
    assert (known.memory_gib, known.bandwidth_gb_s) == (22.5, 300.0)
    assert device_of(replace(card, name="RIVA-9000")) is None


def test_wider_instructions_and_more_cores_are_faster() -> None:
    plain = device_of(a_cpu(cores=2))
    wide = device_of(replace(CPU, cores=32))
    assert plain is not None
    assert wide is not None
    assert wide.tflops_16bit > 16 * plain.tflops_16bit
    assert wide.bandwidth_gb_s == 400.0
