"""Every kind of quantization block is read; none is guessed. Values are made up."""

from collections.abc import Mapping

import pytest

from paceline.adapters.hub.huggingface.schemes import scheme_of


def ints(bits: int, *, inputs: int | None = None) -> Mapping[str, object]:
    weights = {"type": "int", "num_bits": bits, "group_size": 64}
    return {"weights": weights, "input_activations": inputs and {"num_bits": inputs}}


def floats(bits: int, group_size: int | None = None) -> Mapping[str, object]:
    return {"weights": {"type": "float", "num_bits": bits, "group_size": group_size}}


def compressed(*groups: Mapping[str, object]) -> Mapping[str, object]:
    named = {f"group_{number}": group for number, group in enumerate(groups)}
    return {"quant_method": "compressed-tensors", "config_groups": named}


BLOCKS = [
    ({"quant_method": "awq", "bits": 4}, "awq-4"),
    ({"quant_method": "awq", "w_bit": 4}, "awq-4"),
    ({"quant_method": "gptq", "bits": 3}, "gptq-3"),
    ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "gptq-8"),
    ({"quant_method": "gptq", "bits": 5}, None),
    ({"quant_method": "fp8", "weight_block_size": [64, 64]}, "fp8"),
    ({"quant_method": "fbgemm_fp8"}, "fp8"),
    ({"quant_method": "mxfp4"}, "mxfp4"),
    ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bnb-nf4"),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bnb-fp4"),
    ({"load_in_8bit": True}, "bnb-int8"),
    ({"quant_method": "bitsandbytes", "load_in_8bit": False}, None),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
    ({"quant_algo": "FP8"}, "fp8"),
    ({"quant_method": "modelopt", "quant_algo": "W9"}, None),
    ({"quant_method": "fp8", "quant_algo": "MIXED_PRECISION", "moe_quant_algo": "NVFP4"}, "nvfp4"),
    ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "mixed"),
    (compressed(ints(4)), "w4a16"),
    (compressed(ints(8)), "w8a16"),
    (compressed(ints(8, inputs=8)), "w8a8"),
    (compressed(ints(4, inputs=8)), "w4a8"),
    (compressed(floats(8)), "fp8"),
    (compressed(floats(4, 16)), "nvfp4"),
    (compressed(floats(4, 32)), "mxfp4"),
    (compressed(floats(4, 77)), None),
    (compressed(floats(4, 16), floats(8)), "mixed"),
    (compressed(floats(8), {"weights": None}), None),
    ({"quant_method": "compressed-tensors"}, None),
    ({"config_groups": {"group_0": ints(4)}}, "w4a16"),
    ({"quant_method": "auto-round", "bits": 4, "packing_format": "auto_round:auto_gptq"}, "gptq-4"),
    ({"quant_method": "auto-round", "bits": 4, "packing_format": "auto_round:auto_awq"}, "awq-4"),
    ({"quant_method": "auto-round", "bits": 2, "packing_format": "auto_round"}, "w2a16"),
    ({"quant_method": "auto-round", "data_type": "mx_fp", "bits": 4}, "mxfp4"),
    ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4}}}, "hqq-4"),
    ({"quant_method": "hqq"}, None),
    ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8"),
    ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "int8"}}}, "w8a16"),
    ({"quant_method": "quark"}, None),
    ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, "w4a16"),
    (
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Float8WeightOnlyConfig"}}},
        "fp8",
    ),
    ({"quant_method": "torchao", "quant_type": {"default": {}}}, None),
    ({"quant_method": "something-new"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("block", "format_"), BLOCKS)
def test_a_block_says_its_format(block: Mapping[str, object], format_: str | None) -> None:
    for config in (
        {"quantization_config": block},
        {"text_config": {"quantization_config": block}},
        {"compression_config": block},
    ):
        scheme = scheme_of(config)
        assert scheme is not None
        assert scheme.format == format_


def test_plain_weights_have_no_scheme() -> None:
    assert scheme_of({}) is None
    assert scheme_of({"quantization_config": None}, sidecar={}) is None


def test_the_sidecar_counts_where_config_says_nothing() -> None:
    sidecar = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
    alone = scheme_of({}, sidecar)
    assert alone is not None
    assert (alone.format, alone.method, alone.note) == ("fp8", "modelopt", "8-bit KV cache")
    beside = scheme_of({"quantization_config": {"quant_method": "awq", "bits": 4}}, sidecar)
    assert beside is not None
    assert beside.format == "awq-4"


def test_the_note_says_what_an_engine_must_cope_with() -> None:
    scheme = scheme_of(
        {
            "quantization_config": {
                "quant_method": "gptq",
                "bits": 4,
                "desc_act": True,
                "checkpoint_format": "gptq_v2",
            }
        }
    )
    assert scheme is not None
    assert scheme.note == "packed as gptq_v2, activation order"
    mixed = scheme_of({"quantization_config": compressed(floats(4, 16), floats(8))})
    assert mixed is not None
    assert mixed.note == "layers in fp8 and nvfp4"
