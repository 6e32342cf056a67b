"""What cannot run says why, and what was seen to run is not refused."""

import pytest

from paceline.plan.facts import tables
from paceline.plan.facts.models import known_shapes
from paceline.plan.support import impossible, split_reason, unsupported


def test_what_cannot_run_says_why() -> None:
    trt = tables.engine("tensorrt-llm")
    a100, mi300 = tables.device("A100-SXM-80GB"), tables.device("MI300X-192GB")
    fp8, fp4 = tables.weight_format("fp8"), tables.weight_format("mxfp4")
    assert unsupported(a100, fp8, trt) == "fp8 needs compute capability 8.9, the device has 8.0"
    assert unsupported(a100, fp4, trt) is not None
    assert "AMD" in (unsupported(mi300, fp8, trt) or "")


def test_engines_with_kernels_for_it_unpack_narrow_weights_on_older_devices() -> None:
    a100, fp8 = tables.device("A100-SXM-80GB"), tables.weight_format("fp8")
    for name in ("vllm", "tgi"):
        assert unsupported(a100, fp8, tables.engine(name)) is None, name
        assert unsupported(tables.device("T4-16GB"), fp8, tables.engine(name)) is not None, name


@pytest.mark.parametrize("name", ["llama.cpp", "openvino", "mlc-llm"])
def test_engines_for_processors_and_graphics_cards_have_no_back_end_for_gaudi(name: str) -> None:
    engine, gaudi = tables.engine(name), tables.device("Gaudi3-128GB")
    for format_ in engine.formats:
        reason = unsupported(gaudi, tables.weight_format(format_), engine)
        assert "no back end for Intel" in (reason or ""), format_
    fp16 = tables.weight_format("fp16")
    assert unsupported(gaudi, fp16, tables.engine("vllm")) is None
    assert unsupported(gaudi, fp16, tables.engine("deepspeed")) is None


def test_heads_divide_over_the_shards_unless_the_engine_takes_uneven_ones() -> None:
    shape = known_shapes()["bigcode/starcoder2-7b"]
    reason = "36 attention heads do not divide over 8 devices"
    assert split_reason(shape, tables.engine("vllm"), 8) == reason
    assert split_reason(shape, tables.engine("vllm"), 4) is None
    assert split_reason(shape, tables.engine("deepspeed"), 8) is None
    assert split_reason(shape, tables.engine("llama.cpp"), 8) is None


def test_a_format_that_is_not_offered_may_still_have_been_deployed() -> None:
    shape = known_shapes()["meta-llama/Meta-Llama-3-8B"]
    a100, gguf = tables.device("A100-SXM-80GB"), tables.weight_format("q4_k_m")
    vllm = tables.engine("vllm")
    assert unsupported(a100, gguf, vllm) == "vllm does not load q4_k_m"
    assert impossible(a100, gguf, vllm, shape, 1) is None
