"""The fact tables are complete, sourced and consistent with each other."""

from pathlib import Path

import pytest

from paceline.errors import SpecError
from paceline.plan.facts import tables
from paceline.plan.facts.models import ShapeFinder, known_shapes

TABLES = sorted(path.name for path in Path(tables.__file__).parent.glob("*.csv"))


@pytest.mark.parametrize("name", TABLES)
def test_every_row_names_its_source(name: str) -> None:
    found = tables.rows(name)
    assert found
    assert [row for row in found if not row["source"].strip()] == []


def test_prices_and_engines_refer_to_known_rows() -> None:
    assert {price.accelerator for price in tables.prices()} <= set(tables.devices())
    named = {name for engine in tables.engines().values() for name in engine.formats}
    assert named <= set(tables.formats())


def test_what_an_engine_loads_and_turns_refers_to_known_rows() -> None:
    vendors = {device.vendor for device in tables.devices().values()}
    for row in tables.rows("engine_vendors.csv"):
        engine = tables.engines()[row["engine"]]
        assert row["vendor"] in engine.vendors, row
        assert set(row["formats"].split()) <= set(engine.formats), row
    assert {row["engine"] for row in tables.rows("knobs.csv")} <= set(tables.engines())
    for engine in tables.engines().values():
        assert set(engine.vendors) <= vendors, engine.name


def test_rates_grow_as_formats_narrow_where_they_are_native() -> None:
    for device in tables.devices().values():
        if device.tflops_fp8 is not None and device.kind == "gpu":
            assert device.tflops_fp8 > device.tflops_16bit, device.name
        if device.tflops_fp4 is not None and device.tflops_fp8 is not None:
            assert device.tflops_fp4 > device.tflops_fp8, device.name


@pytest.mark.parametrize(
    ("driver_says", "name"),
    [
        ("NVIDIA-H200", "H200-SXM-141GB"),
        ("NVIDIA-H100-80GB-HBM3", "H100-SXM-80GB"),
        ("NVIDIA-GeForce-RTX-4090", "RTX-4090-24GB"),
        ("Tesla-T4", "T4-16GB"),
    ],
)
def test_cards_are_found_by_the_name_that_their_driver_gives(driver_says: str, name: str) -> None:
    assert tables.device(driver_says).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("int4-awq", "awq"), ("F16", "fp16"), ("gguf-q4", "q4_k_m"), ("fp4", "nvfp4")],
)
def test_formats_are_found_by_their_other_names(text: str, name: str) -> None:
    assert tables.weight_format(text).name == name


def test_an_unknown_accelerator_is_refused() -> None:
    with pytest.raises(SpecError, match="H1000"):
        tables.device("H1000")


@pytest.mark.parametrize(
    ("engine", "version", "year"),
    [
        ("vllm", "vllm/vllm-openai:v0.17.0", 2026.2),
        ("vllm", "~0.6.3", 2024.8),
        ("vllm", "0.10.2", 2025.65),
        ("sglang", "0.5.10.post1", 2026.27),
        ("vllm", "0.99.1", 2026.33),
        ("sglang", "0.5.23", 2026.27),
        ("vllm", "abc", None),
        ("openvino", "2026.4.1", None),
    ],
)
def test_versions_have_release_dates(engine: str, version: str, year: float | None) -> None:
    assert tables.release_year(engine, version) == year


def test_checkpoints_share_the_shape_of_what_they_were_made_from() -> None:
    shapes = known_shapes()
    finder = ShapeFinder(shapes)
    base = shapes["Qwen/Qwen3-32B"]
    assert finder.find("someone/Qwen3-32B-GPTQ-Int4") == base
    assert finder.find("", "Qwen/Qwen3-32B") == base
    assert finder.find("Qwen/Qwen3-32B-FP8") == shapes["Qwen/Qwen3-32B-FP8"]  # its own config wins
    assert finder.find("someone/else-9B") is None


def test_a_wrong_name_is_answered_with_those_most_alike() -> None:
    with pytest.raises(SpecError) as caught:
        tables.device("H100-SMX")
    assert "H100-SXM-80GB" in caught.value.why
    assert len(caught.value.why) < 200, "one line of a table"
    with pytest.raises(SpecError) as caught:
        tables.weight_format("mxpf4")
    assert caught.value.fix == "write 'mxfp4'"
    with pytest.raises(SpecError, match=r"bf16, .*fp8") as caught:
        tables.weight_format("zzz")
    assert caught.value.fix == "choose one of these"
