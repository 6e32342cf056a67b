"""What the correction may look at: dimensionless shares, sizes, and traits with an order.

No model names. Devices enter by their figures, so an unseen one lies between those seen; engines
and formats also by name, because their efficiency is a matter of code, with traits beside the
names so that an unknown one falls back to its kind.
"""

from typing import Final

import numpy as np

from paceline.plan.predict.batching import Physics
from paceline.plan.predict.columns import Counted
from paceline.plan.predict.deployment import Array, Batch, Load
from paceline.plan.predict.placement import Placement

NAMED_ENGINES: Final = ("vllm", "sglang", "tensorrt-llm", "llama.cpp", "deepspeed")
USUAL_YEAR: Final = 2024.6
"""Records without an engine version are mostly of mid 2024."""


def features(batch: Batch, counts: Counted, place: Placement, seen: Physics) -> dict[str, Array]:
    """Columns `[deployments]` by name, in a fixed order."""
    return (
        _load_features(batch, place, seen)
        | _time_features(counts, seen)
        | _model_features(batch, counts, place)
        | _device_features(batch, counts, place)
        | _software_features(batch, counts)
    )


def _load_features(batch: Batch, place: Placement, seen: Physics) -> dict[str, Array]:
    rate = np.where(np.isfinite(batch.requests_per_s), batch.requests_per_s, 0.0)
    return {
        "log_running": np.log(seen.running),
        "log_running_total": np.log(seen.running * place.lanes),
        "log_room": np.log(np.maximum(1.0, place.sequences)),
        "waiting_share": seen.waiting_share,
        "pressure": np.clip(seen.pressure, -2.0, 2.0),
        "log_input": np.log(np.maximum(1.0, batch.input_tokens)),
        "log_output": np.log(np.maximum(1.0, batch.output_tokens)),
        "log_ratio": np.log(np.maximum(1.0, batch.input_tokens) / batch.output_tokens),
        "log_rate": np.log1p(rate),
        "is_static": _is(batch, Load.STATIC),
        "is_single": _is(batch, Load.SINGLE),
        "is_offline": _is(batch, Load.OFFLINE),
        "is_burst": _is(batch, Load.BURST),
        "is_open": _is(batch, Load.OPEN),
        "knows_concurrency": np.isfinite(batch.concurrency).astype(np.float64),
    }


def _time_features(counts: Counted, seen: Physics) -> dict[str, Array]:
    step, prompt = seen.decode, seen.prompt
    prefill_share = seen.prompt_share_s * seen.running
    return {
        "log_step": np.log(step.total_s),
        "log_prompt": np.log(prompt.total_s),
        "log_prompt_share": np.log(seen.prompt_share_s),
        "log_ttft": np.log(seen.ttft_ms),
        "weights_share": step.weights_s / step.total_s,
        "kv_share": step.kv_s / step.total_s,
        "compute_share": step.compute_s / step.total_s,
        "link_share": step.link_s / step.total_s,
        "launch_share": step.launch_s / step.total_s,
        "prompt_link_share": prompt.link_s / prompt.total_s,
        "prompt_compute_share": prompt.compute_s / prompt.total_s,
        "prefill_share": prefill_share / (prefill_share + step.total_s * 100.0),
        "log_per_device": np.log(seen.out_tok_s),
        "log_layer_time": np.log(step.total_s / np.maximum(1.0, counts.layers)),
    }


def _model_features(batch: Batch, counts: Counted, place: Placement) -> dict[str, Array]:
    total = (
        counts.linear_parameters
        + counts.expert_parameters
        + counts.embedding_parameters
        + counts.separate_head_parameters
    )
    active = counts.linear_parameters + counts.active_expert_parameters + counts.head_parameters
    per_token = (counts.kv_elements).sum(axis=1)
    return {
        "log_parameters": np.log(total),
        "log_active": np.log(active),
        "log_sparsity": np.log(total / active),
        "log_hidden": np.log(np.maximum(1.0, counts.hidden)),
        "layers": counts.layers,
        "log_experts": np.log1p(counts.experts),
        "log_kv": np.log1p(per_token),
        "kv_heads": counts.kv_heads.max(axis=1),
        "attention_share": counts.attention_share,
        "has_state": (counts.state_elements > 0).astype(np.float64),
        "fill": place.weight_bytes / place.usable_bytes,
        "kv_bits": batch.kv_bits,
    }


def _device_features(batch: Batch, counts: Counted, place: Placement) -> dict[str, Array]:
    amd, other = _vendor(batch, "AMD"), _vendor(batch, "Intel")
    return {
        "log_bandwidth": np.log(counts.bandwidth),
        "log_rate_matrix": np.log(counts.rate),
        "log_ridge": np.log(counts.rate / counts.bandwidth),
        "log_memory": np.log(counts.memory_bytes),
        "link_kind": counts.link_kind,
        "log_link": np.log(counts.link),
        "device_year": counts.capability_year,
        "is_amd": amd,
        "is_intel": other,
        "log_count": np.log(batch.count),
        "log_shards": np.log(place.shards),
        "log_stages": np.log(place.stages),
        "log_lanes": np.log(place.lanes),
        "log_expert_shards": np.log(place.expert_shards),
        "spread_experts": (place.expert_shards > place.shards).astype(np.float64),
        "expert_parallel": np.where(counts.experts > 0, np.log(batch.expert_parallel), 0.0),
    }


def _software_features(batch: Batch, counts: Counted) -> dict[str, Array]:
    year = np.where(
        np.isfinite(batch.release_year),
        batch.release_year,
        np.maximum(USUAL_YEAR, counts.capability_year + 0.7),
    )
    named = {f"engine_{name}": _engine(batch, name) for name in NAMED_ENGINES}
    return named | {
        "is_serving": counts.serving,
        "is_local": counts.local,
        "release_year": year,
        "age": year - counts.capability_year,
        "native": counts.native,
        "linear_bits": counts.linear_bits,
        "expert_bits": np.where(counts.experts > 0, counts.expert_bits, counts.linear_bits),
        "computes_16bit": _computes(batch, "16bit"),
        "computes_fp8": _computes(batch, "fp8"),
        "computes_fp4": _computes(batch, "fp4"),
    }


def _is(batch: Batch, load: Load) -> Array:
    return np.asarray(batch.load == load, dtype=np.float64)


def _vendor(batch: Batch, name: str) -> Array:
    return np.array([d.vendor == name for d in batch.devices], dtype=np.float64)[batch.device_at]


def _engine(batch: Batch, name: str) -> Array:
    return np.array([e.name.startswith(name) for e in batch.engines], dtype=np.float64)[
        batch.engine_at
    ]


def _computes(batch: Batch, unit: str) -> Array:
    return np.array([f.compute == unit for f in batch.formats], dtype=np.float64)[batch.format_at]
