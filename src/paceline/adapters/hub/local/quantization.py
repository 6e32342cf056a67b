"""The format of a quantized checkpoint, from `quantization_config` in config.json.

Keys and values as documented by transformers 5.23 (`utils/quantization_config.py`) and
compressed-tensors 0.12. Not covered: methods that are not listed below; they are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline.adapters.hub.local.json_files import JsonObject
from paceline.errors import Code, SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """What was done to the linear layers."""

    format: str
    """As in `--format`."""
    weight_bits: int


_FP8: Final = Quantization(format="fp8", weight_bits=8)
_NVFP4: Final = Quantization(format="nvfp4", weight_bits=4)
_FIXED: Final[Mapping[str, Quantization]] = {
    "awq": Quantization(format="awq", weight_bits=4),
    "fp8": _FP8,
    "fbgemm_fp8": _FP8,
    "mxfp4": Quantization(format="mxfp4", weight_bits=4),
}
_GPTQ: Final[Mapping[object, Quantization]] = {
    3: Quantization(format="gptq-3bit", weight_bits=3),
    4: Quantization(format="gptq", weight_bits=4),
    8: Quantization(format="int8-weight-only", weight_bits=8),
}
_BITSANDBYTES: Final[Mapping[str, Quantization]] = {
    "load_in_4bit": Quantization(format="bnb-int4", weight_bits=4),
    "load_in_8bit": Quantization(format="int8-weight-only", weight_bits=8),
}
_MODELOPT: Final[Mapping[object, Quantization]] = {"FP8": _FP8, "NVFP4": _NVFP4}
_COMPRESSED: Final[Mapping[object, Quantization]] = {
    "float-quantized": _FP8,
    "int-quantized": Quantization(format="int8", weight_bits=8),
    "nvfp4-pack-quantized": _NVFP4,
}
"""compressed-tensors by its `format`; `pack-quantized` needs the bits as well."""
_PACKED: Final[Mapping[object, Quantization]] = {
    4: Quantization(format="int4", weight_bits=4),
    8: Quantization(format="int8-weight-only", weight_bits=8),
}


def quantization_of(config: JsonObject) -> Quantization | None:
    """How the checkpoint was quantized, `None` when it was not.

    Raises SpecError for a method or a bit width that Paceline does not know.
    """
    block = config.get("quantization_config")
    if block is None:
        return None
    found = _read(block) if isinstance(block, Mapping) else None
    if found is None:
        shown = block.get("quant_method") if isinstance(block, Mapping) else block
        raise SpecError(
            Code.UNSUPPORTED,
            f"the weights are quantized by {shown!r}, which Paceline cannot read",
            why="known: awq, gptq (3, 4 or 8 bit), fp8, mxfp4, bitsandbytes, modelopt (FP8, NVFP4)"
            " and compressed-tensors of one scheme",
            fix="name the unquantized checkpoint of this model",
        )
    return found


def _read(block: JsonObject) -> Quantization | None:
    method = block.get("quant_method")
    match method:
        case "gptq":
            return _GPTQ.get(block.get("bits"))
        case "bitsandbytes":
            return next((_BITSANDBYTES[key] for key in _BITSANDBYTES if block.get(key)), None)
        case "modelopt":
            return _MODELOPT.get(block.get("quant_algo"))
        case "compressed-tensors":
            scheme = block.get("format")
            return _COMPRESSED.get(scheme) or (
                _PACKED.get(_compressed_bits(block)) if scheme == "pack-quantized" else None
            )
        case _:
            return _FIXED.get(str(method))


def _compressed_bits(block: JsonObject) -> object:
    """The bits all groups share, `None` when they differ."""
    groups = block.get("config_groups")
    bits: set[object] = set()
    for group in groups.values() if isinstance(groups, Mapping) else ():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        bits.add(weights.get("num_bits") if isinstance(weights, Mapping) else None)
    return bits.pop() if len(bits) == 1 else None
