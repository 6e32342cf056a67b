"""How a model lies on its devices: shards, resident bytes, room for sequences."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.plan.predict.columns import Counted
from paceline.plan.predict.deployment import Array, Batch

BITS_PER_BYTE: Final = 8.0
CHUNK_TOKENS: Final = 8192.0
"""Tokens of one prefill pass: the default budget of vLLM's server on devices of 70 GiB and more
(`EngineArgs._get_default_args`; elsewhere 2048) and of SGLang (`--chunked-prefill-size`)."""
LEAST_CHUNK_TOKENS: Final = 512.0
"""Engines warm up with some hundred tokens however short the prompts are. An estimate."""
LIVE_BUFFERS: Final = 12.0
"""Vectors of the hidden size that one token of a pass keeps at its peak: residual, norm, queries,
keys and values, and gate and up of an MLP of 3 to 4 widths, added up. An estimate, not fitted: of
the 154 recorded outcomes of `tests/unit/plan/test_memory.py`, whose prompts are short, none changes
with 0 to 32."""
LOCAL_SHARE: Final = 0.1
"""Of that for engines of one user: llama.cpp takes 512 tokens at a time (`--ubatch-size`), 1/16 of
the chunk. An estimate on the cautious side."""
MOST_MEMORY: Final = 0.98
"""Share of a device that an engine can be told to use. An estimate of what the driver's context
leaves; of the recorded outcomes one is missed at 0.95 and below, none more from 0.97 to 1."""
STATE_BYTES: Final = 2.0
"""Per element of recurrent state: kept in the 16 bits of the model, as vLLM does by default
(`--mamba-cache-dtype auto`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Shards and memory of each deployment. Bytes are per device, sequences per lane.

    A lane is a set of devices that decodes its own batch: data-parallel replicas, or the
    data-parallel attention ranks of a mixture of experts.
    """

    lanes: Array
    shards: Array
    """Devices that split one layer."""
    stages: Array
    """Devices, or groups of them, that hold different layers."""
    expert_shards: Array
    """Devices over which the routed experts are spread."""
    shared_experts_batch: Array
    """Lanes whose tokens meet in the same experts."""
    weight_bytes: Array
    kv_bytes_per_token: Array
    """Per device, at the mean context."""
    state_bytes: Array
    activation_bytes: Array
    overhead_bytes: Array
    usable_bytes: Array
    """At the engine's default memory share."""
    most_bytes: Array
    """When the engine is told to use nearly all."""
    sequences: Array
    """Sequences of mean length that fit per lane at the engine's default memory share."""
    sequences_at_most: Array
    """Sequences of full length when the engine may use nearly all memory; below 1: no fit."""


def placement(batch: Batch, counts: Counted) -> Placement:
    """Split a model over its devices and count what is left for sequences.

    Weights: parameters x effective bits / 8, split over the shards (Megatron-LM,
    arXiv 1909.08053). KV: layers x stored elements x bytes, split over KV heads, replicated when
    there are more shards than heads; latent vectors are always replicated (arXiv 2405.04434).
    Activations: tokens of one pass x hidden x 2 bytes x live buffers, split over the shards. vLLM
    measures the same at start, in a dummy pass of its token budget, and gives what is left to the
    cache (`gpu_worker.py: determine_available_memory`); the constants here stand in for that pass.
    Graphs and buffers of the engine: `overhead_gib` of the engines' table, as said there.
    """
    stages = np.where(counts.layer_split > 0, batch.count, batch.pipeline_parallel)
    stages = np.minimum(stages, batch.count)
    per_stage = np.maximum(1.0, batch.count / stages)
    wanted = batch.tensor_parallel * batch.data_parallel
    inside = (batch.data_parallel > 1) & (wanted > per_stage)
    shards = np.where(inside, per_stage / batch.data_parallel, batch.tensor_parallel)
    shards = np.clip(np.where(counts.layer_split > 0, 1.0, shards), 1.0, per_stage)
    lanes = per_stage / shards
    spread = (counts.experts > 0) & ((batch.expert_parallel > 1) | inside)
    expert_shards = np.where(spread, per_stage, shards)
    context = batch.input_tokens + batch.output_tokens
    weights = weight_bytes(counts, shards=shards, expert_shards=expert_shards) / stages
    kv = kv_bytes(batch, counts, shards=shards, context=np.maximum(1.0, context)) / stages
    state = counts.state_elements * STATE_BYTES / (stages * shards)
    chunk = np.minimum(CHUNK_TOKENS, np.maximum(batch.input_tokens, LEAST_CHUNK_TOKENS))
    activations = chunk * counts.hidden * 2.0 * LIVE_BUFFERS / shards
    activations = np.where(counts.local > 0, activations * LOCAL_SHARE, activations)
    usable = counts.memory_bytes * counts.memory_share
    most = counts.memory_bytes * np.maximum(MOST_MEMORY, counts.memory_share)
    free = usable - weights - activations - counts.overhead_bytes
    longest = np.maximum(1.0, kv * context + state)
    # pages are filled as tokens come, so a running sequence holds half its output on average
    usual = np.maximum(1.0, kv * (batch.input_tokens + batch.output_tokens / 2.0) + state)
    return Placement(
        lanes=lanes,
        shards=shards,
        stages=stages,
        expert_shards=expert_shards,
        shared_experts_batch=np.where(spread, lanes, 1.0),
        weight_bytes=weights,
        kv_bytes_per_token=kv,
        state_bytes=state,
        activation_bytes=activations,
        overhead_bytes=counts.overhead_bytes,
        usable_bytes=usable,
        most_bytes=most,
        sequences=free / usual,
        sequences_at_most=(free + most - usable) / longest,
    )


def weight_bytes(counts: Counted, *, shards: Array, expert_shards: Array) -> Array:
    """Resident weights per device of one stage: linear, head and embedding, routed experts."""
    linear = counts.linear_parameters * counts.linear_bits
    tables = (counts.embedding_parameters + counts.separate_head_parameters) * counts.embedding_bits
    experts = counts.expert_parameters * counts.expert_bits
    return ((linear + tables) / shards + experts / expert_shards) / BITS_PER_BYTE


def kv_bytes(batch: Batch, counts: Counted, *, shards: Array, context: Array) -> Array:
    """KV bytes per token and device of one lane, windows averaged over the context."""
    share = np.minimum(1.0, counts.windows / context[:, None])
    split = np.minimum(counts.kv_heads, shards[:, None])
    elements: Array = (counts.kv_elements * share / split).sum(axis=1)
    return elements * batch.kv_bits / BITS_PER_BYTE
