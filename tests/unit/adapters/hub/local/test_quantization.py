from collections.abc import Mapping

import pytest

from paceline.adapters.hub.local.quantization import quantization_of
from paceline.errors import Code, SpecError

PACKED: Mapping[str, object] = {"quant_method": "compressed-tensors", "format": "pack-quantized"}


def groups(*bits: int) -> dict[str, object]:
    return {f"group_{i}": {"weights": {"num_bits": each}} for i, each in enumerate(bits)}


@pytest.mark.parametrize(
    ("block", "format_", "bits"),
    [
        ({"quant_method": "awq", "bits": 4}, "awq", 4),
        ({"quant_method": "gptq", "bits": 4}, "gptq", 4),
        ({"quant_method": "gptq", "bits": 3}, "gptq-3bit", 3),
        ({"quant_method": "gptq", "bits": 8}, "int8-weight-only", 8),
        ({"quant_method": "fp8"}, "fp8", 8),
        ({"quant_method": "mxfp4"}, "mxfp4", 4),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bnb-int4", 4),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8-weight-only", 8),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", 4),
        ({"quant_method": "compressed-tensors", "format": "float-quantized"}, "fp8", 8),
        ({"quant_method": "compressed-tensors", "format": "int-quantized"}, "int8", 8),
        ({**PACKED, "config_groups": groups(4, 4)}, "int4", 4),
        ({**PACKED, "config_groups": groups(8)}, "int8-weight-only", 8),
    ],
)
def test_reads_the_format(block: dict[str, object], format_: str, bits: int) -> None:
    found = quantization_of({"quantization_config": block})
    assert found is not None
    assert (found.format, found.weight_bits) == (format_, bits)


def test_plain_weights_have_none() -> None:
    assert quantization_of({}) is None


@pytest.mark.parametrize(
    "block",
    [
        {"quant_method": "hqq"},
        {"quant_method": "gptq", "bits": 2},
        {"quant_method": "bitsandbytes"},
        {**PACKED, "config_groups": groups(4, 8)},
        PACKED,
        "int4",
    ],
)
def test_what_is_not_known_is_refused(block: object) -> None:
    with pytest.raises(SpecError) as caught:
        quantization_of({"quantization_config": block})
    assert caught.value.code is Code.UNSUPPORTED
