"""Whether a model, a format, an engine and a device go together at all, whatever the memory.

Facts about hardware and kernels, in the words of the reason they give. Prices, memory and speed
are looked at elsewhere.
"""

from typing import Final

from paceline.plan.facts.tables import Device, EngineFacts, Format
from paceline.plan.shapes import Mixer, Shape

HOPPER: Final = 9.0
"""gpt-oss has kernels of its own from here on (TensorRT-LLM and others)."""
EMULATORS: Final = {
    "vllm": ("fp8", "fp4"),
    "sglang": ("fp4",),
    "tgi": ("fp8",),
    "llama.cpp": ("fp4",),
}
"""Engines with kernels that unpack narrow weights on devices without the matrix unit
(vLLM docs, supported hardware; TGI, layers/marlin/fp8.py; gpt-oss on A100 in the GPUStack
performance lab, where SGLang ended with fp8 on A100: it unpacks that outside of experts alone)."""


def unsupported(device: Device, weights: Format, engine: EngineFacts) -> str | None:
    """Why this combination is not offered whatever its memory; `None`: nothing speaks against it.

    Looks at vendors, at the formats that the engine loads, and at compute capability.
    """
    return (
        _no_back_end(device, engine)
        or _not_loaded(device, weights, engine)
        or _format_reason(device, weights, engine)
    )


def impossible(
    device: Device, weights: Format, engine: EngineFacts, shape: Shape, shards: int
) -> str | None:
    """Why what somebody states to have deployed cannot be, in the words of `unsupported`.

    Leaves out which formats an engine loads: releases differ in that, and the tables speak of
    those that Paceline launches. An engine without a table may do anything.
    """
    if not engine.formats:
        return None
    return (
        _no_back_end(device, engine)
        or _format_reason(device, weights, engine)
        or split_reason(shape, engine, shards)
    )


def _no_back_end(device: Device, engine: EngineFacts) -> str | None:
    if not engine.vendors or device.vendor in engine.vendors:
        return None
    return f"{engine.name} has no back end for {device.vendor}: {' '.join(engine.vendors)}"


def _not_loaded(device: Device, weights: Format, engine: EngineFacts) -> str | None:
    formats = engine.formats_on(device.vendor)
    if not formats or weights.name in formats:
        return None
    where = "" if formats == engine.formats else f" on {device.vendor}"
    return f"{engine.name} does not load {weights.name}{where}"


def _format_reason(device: Device, weights: Format, engine: EngineFacts) -> str | None:
    capability, needed = device.compute_capability, weights.min_compute_capability
    if capability is None:
        return _no_unit(device, weights)
    if needed is None or capability >= needed:
        return None
    if weights.name in ("fp16", "bf16"):
        return None if weights.name in device.native else _too_old(weights, capability, needed)
    emulated = weights.emulated_from
    unpacks = "fp4" if weights.name == "mxfp4" else weights.compute
    if (
        emulated is not None
        and capability >= emulated
        and unpacks in EMULATORS.get(engine.name, "")
    ):
        return None
    if weights.name == "mxfp4" and capability >= HOPPER:
        return None
    return _too_old(weights, capability, needed)


def _no_unit(device: Device, weights: Format) -> str | None:
    """Devices without a compute capability: whether they have the unit that the format needs."""
    if device.kind == "cpu" or weights.weight_only or weights.compute in ("16bit", "fp32"):
        return None
    if weights.compute in device.native or weights.name == "mxfp4":  # unpacked where not native
        return None
    return f"{device.name} computes in {' '.join(device.native)}, not in {weights.compute}"


def _too_old(weights: Format, capability: float, needed: float) -> str:
    return f"{weights.name} needs compute capability {needed}, the device has {capability}"


def split_reason(shape: Shape, engine: EngineFacts, shards: int) -> str | None:
    """Why a layer cannot be split over `shards` devices; `None` when it can."""
    if engine.parallelism != "tensor":
        return None
    for group in shape.mixers:
        if group.mixer is Mixer.STATE or not group.dot_width:
            continue
        heads = _heads(group.dot_width, group.kv_elements, group.kv_heads)
        if heads and heads % shards:
            return f"{heads} attention heads do not divide over {shards} devices"
    return None


def _heads(dot_width: int, kv_elements: int, kv_heads: int) -> int | None:
    """Query heads from the counts: both widths hold key plus value size once per head."""
    if kv_heads <= 0 or kv_elements <= 0:
        return None
    per_head = kv_elements // kv_heads
    heads, rest = divmod(dot_width, per_head)
    return heads if rest == 0 and heads >= kv_heads else None
