"""The cross product: nothing is lost, and what is ruled out says why."""

import pytest

from paceline.errors import SpecError
from paceline.plan.facts.models import known_shapes
from paceline.plan.survey.choose import axes_of, devices_called
from paceline.plan.survey.space import combinations, lay_out, layouts, variant_of

LLAMA = known_shapes()["meta-llama/Llama-3.3-70B-Instruct"]
DEEPSEEK = known_shapes()["deepseek-ai/DeepSeek-R1"]


def test_a_70b_model_has_more_than_100_000_combinations() -> None:
    assert combinations(axes_of(LLAMA, hardware=(), formats=(), engines=())) > 100_000


def test_every_combination_is_laid_out_or_ruled_out() -> None:
    for shape in (LLAMA, DEEPSEEK):
        axes = axes_of(shape, hardware=(), formats=(), engines=())
        rows, ruled_out = lay_out(axes)
        assert len(rows) + sum(block.count for block in ruled_out) == combinations(axes)
        assert all(block.because and block.count > 0 for block in ruled_out)


def test_layouts_split_every_device_once() -> None:
    found = layouts(experts=False)
    assert all(o.tensor * o.pipeline * o.data == o.count for o in found)
    assert len({(o.tensor, o.pipeline, o.data) for o in found}) == len(found) == 20
    assert any(o.experts_spread for o in layouts(experts=True))


def test_rows_are_variants_with_sorted_knobs_and_unique_ids() -> None:
    axes = axes_of(LLAMA, hardware=("h100-sxm",), formats=("fp8",), engines=("vllm",))
    rows, _ = lay_out(axes)
    variants = [variant_of(axes, rows, at) for at in range(len(rows))]
    assert len({variant.id for variant in variants}) == len(variants) > 20
    assert all(list(v.knobs) == sorted(v.knobs) for v in variants)
    assert {v.accelerator for v in variants} == {"H100-SXM-80GB"}


def test_what_is_ruled_out_names_the_rule() -> None:
    axes = axes_of(
        LLAMA,
        hardware=("t4", "tpu-v5e", "apple-m3-max", "gh200-96gb"),
        formats=("bf16", "nvfp4"),
        engines=("vllm", "llama.cpp"),
    )
    reasons = {block.kind: block.because for block in lay_out(axes)[1]}
    assert set(reasons) == {
        "engine has no back end for the vendor",
        "engine does not load the format",
        "device cannot compute in the format",
        "layers cannot be split so",
        "too many devices for one machine",
        "device cannot use the setting",
    }


@pytest.mark.parametrize(
    ("name", "count"), [("l40s", 1), ("H100", 3), ("h100-sxm", 1), ("tpu", 4), ("hopper", 8)]
)
def test_hardware_is_found_by_part_of_its_name_or_class(name: str, count: int) -> None:
    assert len(devices_called([name])) == count


def test_all_hardware_is_the_default() -> None:
    assert devices_called([]) == devices_called(["all"])
    assert {device.kind for device in devices_called([])} == {"gpu", "tpu", "npu", "cpu"}


def test_an_unknown_accelerator_is_refused_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="--hardware H100"):
        devices_called(["h1000-sxm-80gb"])
