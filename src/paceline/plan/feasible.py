"""Whether a model's weights and KV cache fit, before anything is launched.

Covers decoder models on one accelerator. The general form (parallelism, experts, activations) is
in `plan.memory`; this one needs nothing but the checked model folder.
"""

from dataclasses import dataclass
from typing import Final

from paceline.records.model import Model
from paceline.units import BYTES_PER_GIB, format_gib

USABLE_SHARE: Final = 0.9
"""The rest is for the operating system and the allocator's slack; vLLM's own default share."""

RUNTIME_GIB: Final = 0.35
"""Resident size of a Python engine without a model: the smallest tree seen in
`reference/engines.md`-style runs here was 0.34 GiB (llama.cpp, 144M parameters; docs/log.md)."""

BITS_PER_WEIGHT: Final = {
    "fp32": 32.0,
    "bf16": 16.0,
    "fp16": 16.0,
    "fp8": 8.0,
    "int8": 8.0 + 16.0 / 128,  # one 16-bit scale for each group of 128
    "int4": 4.0 + 16.0 / 128 + 4.0 / 128,  # scale and zero point for each group of 128
}
KV_BYTES_PER_ELEMENT: Final = 2  # 16-bit keys and values


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """GiB on one device."""

    weights_gib: float
    kv_cache_gib: float
    runtime_gib: float

    @property
    def total_gib(self) -> float:
        return self.weights_gib + self.kv_cache_gib + self.runtime_gib


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The answer with both sides."""

    fits: bool
    need: str
    have: str


def memory_need(model: Model, format_: str, *, tokens_in_flight: int) -> MemoryNeed | None:
    """What serving takes; `None` for a format without a known size.

    weights = parameters × bits ÷ 8; KV = layers × 2 × KV heads × head size × 2 bytes × tokens
    (Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2.1).
    """
    bits = BITS_PER_WEIGHT.get(format_)
    if bits is None:
        return None
    per_token = model.layers * 2 * model.kv_heads * model.head_size * KV_BYTES_PER_ELEMENT
    return MemoryNeed(
        weights_gib=model.parameters * bits / 8 / BYTES_PER_GIB,
        kv_cache_gib=per_token * tokens_in_flight / BYTES_PER_GIB,
        runtime_gib=RUNTIME_GIB,
    )


def fit(need: MemoryNeed, memory_gib: float) -> Fit:
    """Compare with `USABLE_SHARE` of the device."""
    usable_gib = memory_gib * USABLE_SHARE
    parts = (
        f"weights {format_gib(need.weights_gib)} + KV cache {format_gib(need.kv_cache_gib)}"
        f" + runtime {format_gib(need.runtime_gib)} = {format_gib(need.total_gib)}"
    )
    return Fit(
        fits=need.total_gib <= usable_gib,
        need=parts,
        have=f"{format_gib(usable_gib)} ({format_gib(memory_gib)} x {USABLE_SHARE:g})",
    )
