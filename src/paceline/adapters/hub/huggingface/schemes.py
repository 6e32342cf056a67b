"""The format of a checkpoint from what its JSON files say of quantization.

Keys as documented by transformers 5.23 (`utils/quantization_config.py`), compressed-tensors 0.19
(`config/base.py`) and NVIDIA ModelOpt's exporter (`hf_quant_config.json`). Nothing is guessed from
names: a block that fits none of these is unknown, and its checkpoint is refused.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

Json = Mapping[str, object]

_FLOAT4: Final[Mapping[object, str]] = {16: "nvfp4", 32: "mxfp4"}
"""Weights that share a scale → format, for four-bit floats (OCP microscaling has 32)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How the linear layers of a checkpoint are stored.

    `format` is `None` when the block is there and not understood; `method` is the tool's own word.
    """

    format: str | None
    method: str
    note: str = ""


def scheme_of(config: Json, sidecar: Json | None = None) -> Scheme | None:
    """The scheme of a checkpoint, `None` when it is not quantized.

    `sidecar` is `hf_quant_config.json`, where older ModelOpt checkpoints keep it alone.
    """
    block = _block(config)
    beside = sidecar.get("quantization") if sidecar else None
    if block is None and not isinstance(beside, Mapping):
        return None
    if block is None:
        block = {"quant_method": "modelopt", **beside} if isinstance(beside, Mapping) else {}
    method = _method(block)
    read = _READERS.get(method)
    found = read(block) if read else None
    return Scheme(format=found, method=method, note=_note(block, method))


def _block(config: Json) -> Json | None:
    """Where the block is: at the top, or in the language part of a multimodal model."""
    text = config.get("text_config")
    for part in (config, text if isinstance(text, Mapping) else {}):
        for key in ("quantization_config", "compression_config"):  # the latter until mid 2024
            block = part.get(key)
            if isinstance(block, Mapping) and block:
                return block
    return None


def _method(block: Json) -> str:
    """`quant_method`, or what its keys give away: some exporters leave it out."""
    if "moe_quant_algo" in block or block.get("quant_algo") == "MIXED_PRECISION":
        return "modelopt"  # says `fp8` for the sake of older loaders
    named = block.get("quant_method")
    if isinstance(named, str) and named:
        return named
    if "quant_algo" in block:
        return "modelopt"
    if "config_groups" in block:
        return "compressed-tensors"
    if "load_in_4bit" in block or "load_in_8bit" in block:
        return "bitsandbytes"
    return "unnamed"


def _note(block: Json, method: str) -> str:
    packing = block.get("packing_format") or block.get("checkpoint_format")
    parts = [f"packed as {packing}" if packing and packing != method else ""]
    kinds = sorted({format_ or "unknown" for format_ in _groups(block)})
    if len(kinds) > 1:
        parts.append(f"layers in {' and '.join(kinds)}")
    if block.get("desc_act"):
        parts.append("activation order")
    if block.get("kv_cache_scheme") or block.get("kv_cache_quant_algo"):
        parts.append("8-bit KV cache")
    return ", ".join(part for part in parts if part)


def _awq(block: Json) -> str | None:
    return _bits("awq", block.get("bits", block.get("w_bit")))


def _gptq(block: Json) -> str | None:
    return _bits("gptq", block.get("bits"))


def _auto_round(block: Json) -> str | None:
    if block.get("data_type", "int") != "int":
        return {"nv_fp": "nvfp4", "mx_fp": "mxfp4"}.get(str(block.get("data_type")))
    packing = str(block.get("packing_format", ""))
    method = next((name for name in ("awq", "gptq") if name in packing), None)
    return _bits(method, block.get("bits")) if method else _weight_only(block.get("bits"))


def _bits(method: str, bits: object) -> str | None:
    return f"{method}-{bits}" if isinstance(bits, int) and bits in (2, 3, 4, 8) else None


def _weight_only(bits: object) -> str | None:
    return f"w{bits}a16" if bits in (2, 3, 4, 8) else None


def _bitsandbytes(block: Json) -> str | None:
    if block.get("load_in_4bit"):
        return "bnb-nf4" if block.get("bnb_4bit_quant_type") == "nf4" else "bnb-fp4"
    return "bnb-int8" if block.get("load_in_8bit") else None


def _modelopt(block: Json) -> str | None:
    algorithm = str(block.get("quant_algo", "")).upper()
    known = {"FP8": "fp8", "FP8_PB_WO": "fp8", "NVFP4": "nvfp4", "W4A16_AWQ": "awq-4"}
    if algorithm in known:
        return known[algorithm]
    if algorithm == "MIXED_PRECISION":
        experts = known.get(str(block.get("moe_quant_algo", "")).upper())
        return experts or _mixed(_groups(block)) or "mixed"
    return None


def _compressed(block: Json) -> str | None:
    return _mixed(_groups(block))


def _groups(block: Json) -> list[str | None]:
    groups = block.get("config_groups")
    return [
        _group(group)
        for group in (groups.values() if isinstance(groups, Mapping) else ())
        if isinstance(group, Mapping)
    ]


def _mixed(formats: Iterable[str | None]) -> str | None:
    """One format for all layers, `mixed` for several, `None` as soon as one is unknown."""
    found = set(formats)
    if not found or None in found:
        return None
    return found.pop() if len(found) == 1 else "mixed"


def _group(group: Json) -> str | None:
    """The format of one group from the numbers of its weights and activations."""
    weights = group.get("weights")
    if not isinstance(weights, Mapping):
        return None
    bits, size = weights.get("num_bits"), weights.get("group_size")
    if weights.get("type") == "float":
        if bits == 8:  # noqa: PLR2004 - bits of a byte
            return "fp8"
        return _FLOAT4.get(size)
    inputs = group.get("input_activations")
    if not isinstance(inputs, Mapping):
        return _weight_only(bits)
    return f"w{bits}a{inputs.get('num_bits')}"


def _hqq(block: Json) -> str | None:
    inner = block.get("quant_config")
    weights = inner.get("weight_quant_params") if isinstance(inner, Mapping) else None
    return _bits("hqq", weights.get("nbits")) if isinstance(weights, Mapping) else None


def _quark(block: Json) -> str | None:
    whole = block.get("global_quant_config")
    weight = whole.get("weight") if isinstance(whole, Mapping) else None
    if not isinstance(whole, Mapping) or not isinstance(weight, Mapping):
        return None
    dtype, has_inputs = str(weight.get("dtype")), whole.get("input_tensors") is not None
    if dtype == "int8":
        return "w8a8" if has_inputs else "w8a16"
    return {"fp8_e4m3": "fp8", "fp4": "mxfp4", "int4": "w4a16", "uint4": "w4a16"}.get(dtype)


def _torchao(block: Json) -> str | None:
    kind = block.get("quant_type")
    if isinstance(kind, Mapping):
        default = kind.get("default")
        kind = default.get("_type") if isinstance(default, Mapping) else None
    words = str(kind).lower().replace("_", "")
    if "float8" in words:
        return "fp8"
    if "int8dynamicactivationint8weight" in words:
        return "w8a8"
    return next((f"w{b}a16" for b in (4, 8) if f"int{b}weightonly" in words), None)


def _always(format_: str) -> Callable[[Json], str | None]:
    return lambda _block: format_


_READERS: Final[Mapping[str, Callable[[Json], str | None]]] = {
    "auto-round": _auto_round,
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "compressed-tensors": _compressed,
    "fbgemm_fp8": _always("fp8"),
    "fp8": _always("fp8"),
    "gptq": _gptq,
    "hqq": _hqq,
    "intel/auto-round": _auto_round,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "mxfp4": _always("mxfp4"),
    "quark": _quark,
    "torchao": _torchao,
}
