"""Seconds per step from data-sheet rates: what a decode step and a prompt must at least take.

Each step waits for the slower of memory and arithmetic (roofline, Williams et al. 2009), then for
communication, then for launches. Constants are global, fitted once by
`benchmarks/fit_predictor.py`; what they miss per engine and device is learned (`correction`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.plan.predict.columns import Counted
from paceline.plan.predict.deployment import Array, Batch
from paceline.plan.predict.placement import BITS_PER_BYTE, Placement, kv_bytes

MEMORY_EFFICIENCY: Final = 0.80
KV_EFFICIENCY: Final = 0.60
MATRIX_EFFICIENCY: Final = 0.55
ATTENTION_EFFICIENCY: Final = 0.35
LINK_EFFICIENCY: Final = 0.60
# Seconds per all-reduce beyond its volume, by link kind: PCIe, bridge, fabric, NVLink.
HOP_S: Final = np.array([4.0e-5, 2.5e-5, 2.5e-5, 1.0e-5])
LAYER_S: Final = {"serving": 1.6e-5, "local": 2.0e-5, "library": 2.0e-4}
STEP_S: Final = {"serving": 1.2e-3, "local": 0.3e-3, "library": 1.0e-3}
SMOOTH: Final = 4.0
"""Exponent of the soft maximum of memory and arithmetic."""
ALLREDUCES_PER_LAYER: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Seconds of one pass through all layers, by cause; `total_s` is their roofline."""

    weights_s: Array
    kv_s: Array
    compute_s: Array
    link_s: Array
    launch_s: Array
    total_s: Array


def decode_step(
    batch: Batch, counts: Counted, place: Placement, *, sequences: Array, context: Array
) -> Step:
    """One token for each of `sequences` per lane, each remembering `context` tokens."""
    tokens = np.maximum(1.0, sequences / pipelined(counts, place))
    weights = _weights_read(counts, place, tokens)
    kv = kv_bytes(batch, counts, shards=place.shards, context=context) * context
    kv += counts.state_elements * 2.0 / place.shards
    attention = _dot(counts, context) * context * tokens / place.shards
    return _step(
        counts,
        place,
        weights=weights,
        kv=kv * tokens,
        multiply_adds=_multiply_adds(counts, place, tokens, heads=tokens),
        attention=attention,
        tokens=tokens,
    )


def prefill(
    batch: Batch, counts: Counted, place: Placement, *, tokens: Array, length: Array
) -> Step:
    """Prompts of `length` tokens each, `tokens` of them together in one pass."""
    seen = np.minimum(counts.windows, length[:, None] / 2.0)
    pairs = (counts.prefill_dot_width * seen).sum(axis=1) * tokens / place.shards
    return _step(
        counts,
        place,
        weights=_weights_read(counts, place, tokens),
        kv=kv_bytes(batch, counts, shards=place.shards, context=length) * tokens,
        multiply_adds=_multiply_adds(counts, place, tokens, heads=tokens / length),
        attention=pairs,
        tokens=tokens,
    )


def pipelined(counts: Counted, place: Placement) -> Array:
    """Micro-batches in flight: stages work at once, unless the engine lets devices take turns."""
    return np.where(counts.layer_split > 0, 1.0, place.stages)


def coverage(experts: Array, top_k: Array, tokens: Array) -> Array:
    """Share of routed experts that `tokens` touch when routing is even: 1 - (1 - k/E)^n."""
    missed = 1.0 - np.minimum(1.0, top_k / np.maximum(1.0, experts))
    return 1.0 - np.power(missed, tokens)


def _weights_read(counts: Counted, place: Placement, tokens: Array) -> Array:
    """Bytes of weights one device reads for a pass, all of its stages' layers together."""
    met = tokens * place.shared_experts_batch
    linear = counts.linear_parameters * counts.linear_bits
    head = counts.head_parameters * np.maximum(counts.embedding_bits, counts.linear_bits)
    touched = coverage(counts.experts, counts.top_k, met)
    experts = counts.expert_parameters * counts.expert_bits * touched
    return ((linear + head) / place.shards + experts / place.expert_shards) / BITS_PER_BYTE


def _multiply_adds(counts: Counted, place: Placement, tokens: Array, *, heads: Array) -> Array:
    met = tokens * place.shared_experts_batch
    dense = counts.linear_parameters * tokens + counts.head_parameters * heads
    experts = counts.active_expert_parameters * met / place.expert_shards
    return dense / place.shards + experts


def _dot(counts: Counted, context: Array) -> Array:
    share = np.minimum(1.0, counts.windows / np.maximum(1.0, context)[:, None])
    width: Array = (counts.dot_width * share).sum(axis=1)
    return width


def _step(
    counts: Counted,
    place: Placement,
    *,
    weights: Array,
    kv: Array,
    multiply_adds: Array,
    attention: Array,
    tokens: Array,
) -> Step:
    weights_s = weights / (counts.bandwidth * MEMORY_EFFICIENCY)
    kv_s = kv / (counts.bandwidth * KV_EFFICIENCY)
    compute_s = 2.0 * multiply_adds / (counts.rate * MATRIX_EFFICIENCY)
    attention_s = 2.0 * attention / (counts.rate_16bit * ATTENTION_EFFICIENCY)
    # an fp8 or int8 matrix unit does not speed up attention itself
    compute_s = compute_s + attention_s
    link_s = _link_s(counts, place, tokens)
    launch_s = _launch_s(counts)
    memory_s = weights_s + kv_s
    ground = np.maximum(memory_s, compute_s)
    other = np.minimum(memory_s, compute_s)
    soft = ground * (1.0 + (other / ground) ** SMOOTH) ** (1.0 / SMOOTH)
    return Step(
        weights_s=weights_s,
        kv_s=kv_s,
        compute_s=compute_s,
        link_s=link_s,
        launch_s=launch_s,
        total_s=soft + link_s + launch_s,
    )


def _link_s(counts: Counted, place: Placement, tokens: Array) -> Array:
    """Two ring all-reduces per layer over the shards, one hop per stage boundary."""
    shards, kind = place.shards, counts.link_kind.astype(np.intp)
    # a bridge joins pairs; beyond two devices the traffic goes over PCIe
    kind = np.where((kind == 1) & (shards > 2), 0, kind)  # noqa: PLR2004 - a pair
    speed = np.where(kind == 0, np.minimum(counts.link, 3.2e10), counts.link)
    volume = tokens * counts.hidden * 2.0
    ring = 2.0 * (shards - 1.0) / shards * volume / (speed * LINK_EFFICIENCY)
    per_layer = np.where(shards > 1, HOP_S[kind] + ring, 0.0)
    apart = (place.expert_shards > place.shards) & (counts.experts > 0)
    exchange = volume * counts.top_k / (speed * LINK_EFFICIENCY) + 2.0 * HOP_S[kind]
    experts = np.where(apart, 2.0 * exchange, 0.0) * counts.moe_layers
    between = (place.stages - 1.0) * (HOP_S[kind] + volume / (speed * LINK_EFFICIENCY))
    return ALLREDUCES_PER_LAYER * counts.layers * per_layer + experts + between


def _launch_s(counts: Counted) -> Array:
    per_layer = np.where(
        counts.serving > 0,
        LAYER_S["serving"],
        np.where(counts.local > 0, LAYER_S["local"], LAYER_S["library"]),
    )
    per_step = np.where(
        counts.serving > 0,
        STEP_S["serving"],
        np.where(counts.local > 0, STEP_S["local"], STEP_S["library"]),
    )
    routed = counts.moe_layers * 2.0e-5  # gating, sorting and two grouped matrix calls
    return per_layer * counts.layers + per_step + routed
