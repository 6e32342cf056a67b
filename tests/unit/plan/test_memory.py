"""What fits, against arithmetic done by hand and recorded successes and failures."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.plan.facts import tables
from paceline.plan.facts.models import ShapeFinder, known_shapes
from paceline.plan.memory import memory_use
from paceline.plan.predict import Deployment, Load
from paceline.plan.support import impossible, unsupported

RECORDS = Path(__file__).parents[3].parent / "shared/reference/perf/feasibility_calibration.csv"


def deployment(model: str, device: str, weights: str = "fp16", count: int = 1) -> Deployment:
    return Deployment(
        shape=known_shapes()[model],
        device=tables.device(device),
        engine=tables.engine("vllm"),
        weights=tables.weight_format(weights),
        count=count,
        tensor_parallel=count,
        pipeline_parallel=1,
        expert_parallel=1,
        data_parallel=1,
        kv_bits=16,
        load=Load.CLOSED,
        input_tokens=1024,
        output_tokens=1024,
        concurrency=1,
        requests_per_s=None,
        release_year=None,
    )


def test_a_70b_model_needs_two_80_gib_devices_in_16_bit_and_one_in_4_bit() -> None:
    model = "meta-llama/Llama-3.3-70B-Instruct"
    one = memory_use(deployment(model, "H100-SXM-80GB"))
    assert not one.fits
    assert one.weights_gib == pytest.approx(70.554e9 * 2 / 2**30, rel=1e-3)
    assert ">" in one.explanation
    assert memory_use(deployment(model, "H100-SXM-80GB", count=2)).fits
    assert memory_use(deployment(model, "H100-SXM-80GB", "awq")).fits


def test_kv_of_one_request_is_layers_times_heads_times_size() -> None:
    use = memory_use(deployment("meta-llama/Meta-Llama-3-8B", "A100-SXM-80GB"))
    assert use.kv_per_request_gib == pytest.approx(32 * 2 * 8 * 128 * 2 * 2048 / 2**30)


def test_kv_heads_are_copied_once_there_are_more_shards_than_heads() -> None:
    model = "Qwen/Qwen2-7B"  # 4 KV heads
    four = memory_use(deployment(model, "A100-SXM-80GB", count=4))
    eight = memory_use(deployment(model, "A100-SXM-80GB", count=8))
    assert four.kv_per_request_gib == eight.kv_per_request_gib


def test_every_kind_of_layer_counts_however_many_a_model_mixes() -> None:
    plain = deployment("meta-llama/Llama-2-7b-hf", "A100-SXM-80GB")
    (group,) = plain.shape.mixers
    windows = [32 * 2**n for n in range(6)]
    mixers = tuple(replace(group, layers=4, window_tokens=window) for window in windows)
    use = memory_use(replace(plain, shape=replace(plain.shape, mixers=mixers)))
    kept = sum(4 * group.kv_elements * 2 * window for window in windows)
    assert use.kv_per_request_gib == pytest.approx(kept / 2**30)


def test_experts_spread_over_data_parallel_ranks() -> None:
    wide = deployment("deepseek-ai/DeepSeek-R1", "H200-SXM-141GB", "fp8", count=8)
    spread = replace(wide, tensor_parallel=1, data_parallel=8, expert_parallel=8)
    copied = replace(wide, tensor_parallel=1, data_parallel=8)
    assert memory_use(spread).fits
    assert not memory_use(copied).fits


def test_a_smaller_share_of_memory_holds_fewer_requests() -> None:
    item = deployment("meta-llama/Meta-Llama-3-8B", "L4-24GB")
    assert (
        memory_use(item, memory_share=0.85).highest_concurrency
        < memory_use(item, memory_share=0.95).highest_concurrency
    )


@pytest.mark.skipif(
    not RECORDS.exists(), reason="the shared reference tables are not beside this checkout"
)
def test_recorded_successes_and_failures_are_reproduced() -> None:
    """At most one of them wrong, and never `fits` where memory is recorded to have run out."""
    finder, wrong, checked = ShapeFinder(known_shapes()), [], 0
    with RECORDS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            predicted = _predicted(row, finder)
            if predicted is None:
                continue
            checked += 1
            if predicted != (row["fits"] == "yes"):
                wrong.append((row["model_hf"], row["gpu"], row["n_gpus"], row["reason"]))
                assert not (predicted and row["fits"].split()[0] == "no"), row
    assert checked >= 150
    assert len(wrong) <= 1, wrong


DEVICES = {
    "A100-40GB": "A100-SXM-40GB",
    "V100-32GB": "V100-SXM2-32GB",
    "A100": "A100-SXM-80GB",
    "Apple M1 7": "Apple-M1-8GB",
    "Apple M1 Max": "Apple-M1-Max-64GB",
    "Apple M2 Ultra": "Apple-M2-Ultra-192GB",
    "Apple M3 Max": "Apple-M3-Max-64GB",
}


def _predicted(row: dict[str, str], finder: ShapeFinder) -> bool | None:
    """`None` where the row does not say enough to be asked about."""
    shape = finder.find(row["model_hf"])
    gpu = row["gpu"].split(" (")[0]
    apple = (ours for theirs, ours in DEVICES.items() if "Apple" in gpu and gpu.startswith(theirs))
    gpu = DEVICES.get(gpu, next(apple, gpu))
    if shape is None or gpu not in tables.devices() or not row["n_gpus"]:
        return None
    engine = tables.engine(row["engine"].split()[0])
    weights = tables.weight_format(row["precision"].split("/")[0].split()[0])
    count = int(float(row["n_gpus"]))
    item = Deployment(
        shape=shape,
        device=tables.device(gpu),
        engine=engine,
        weights=weights,
        count=count,
        tensor_parallel=count,
        pipeline_parallel=1,
        expert_parallel=1,
        data_parallel=1,
        kv_bits=16,
        load=Load.CLOSED,
        input_tokens=1024,
        output_tokens=1024 if engine.name == "llama.cpp" else 20,
        concurrency=1,
        requests_per_s=None,
        release_year=None,
    )
    if unsupported(item.device, weights, engine):
        return False
    if impossible(item.device, weights, engine, shape, count):
        return False
    return memory_use(item, memory_share=0.85 if "0.85" in row["context"] else None).fits
