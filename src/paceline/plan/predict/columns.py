"""Counts of shapes, devices, engines and formats as columns, gathered per deployment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from paceline.plan.facts.tables import Device, EngineFacts, Format
from paceline.plan.predict.deployment import Array, Batch, Index
from paceline.plan.shapes import Mixer, MixerGroup, Shape

NO_WINDOW: Final = 1e9
REQUEST_S: Final = 0.03
# Prefill of latent attention expands the compressed vector instead of absorbing it, which needs
# fewer multiply-adds per pair: (192 + 128) against (2 x 512 + 64) per head in DeepSeek-V3.
LATENT_PREFILL: Final = 0.29


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Per deployment: what its model, device, engine and format say. `[deployments]`."""

    layers: Array
    hidden: Array
    linear_parameters: Array
    embedding_parameters: Array
    head_parameters: Array
    separate_head_parameters: Array
    expert_parameters: Array
    active_expert_parameters: Array
    experts: Array
    top_k: Array
    moe_layers: Array
    kv_elements: Array
    """`[deployments, groups]`, per token, all layers of the group."""
    kv_heads: Array
    windows: Array
    dot_width: Array
    prefill_dot_width: Array
    state_elements: Array
    attention_share: Array
    """Layers that keep keys and values of every token, as a share of all layers."""
    bandwidth: Array
    """Bytes per second, data sheet."""
    rate: Array
    """Operations per second of the matrix unit the format runs on, data sheet."""
    rate_16bit: Array
    memory_bytes: Array
    link: Array
    link_kind: Array
    """0 PCIe only, 1 bridge, 2 fabric, 3 NVLink."""
    capability_year: Array
    linear_bits: Array
    expert_bits: Array
    embedding_bits: Array
    native: Array
    """1 where the device computes in the format itself, 0 where weights are unpacked to 16 bit."""
    serving: Array
    local: Array
    layer_split: Array
    max_sequences: Array
    memory_share: Array
    overhead_bytes: Array
    request_s: Array
    """Per request before any arithmetic: connection, tokenizer, scheduler."""


def counted(batch: Batch) -> Counted:
    """Gather the columns; the tables are small, so Python walks them once."""
    devices, engines, formats = batch.devices, batch.engines, batch.formats

    def of_device(value: Callable[[Device], float]) -> Array:
        return _gathered([value(d) for d in devices], batch.device_at)

    def of_engine(value: Callable[[EngineFacts], float]) -> Array:
        return _gathered([value(e) for e in engines], batch.engine_at)

    def of_format(value: Callable[[Format], float]) -> Array:
        return _gathered([value(f) for f in formats], batch.format_at)

    # vLLM: `EngineArgs._get_default_args` asks for 70 GiB and excludes the A100
    large = (of_device(lambda d: d.memory_gib) >= 70.0) & (of_device(lambda d: d.year) > 2021)  # noqa: PLR2004
    large &= batch.release_year >= 2025.4  # noqa: PLR2004
    rates, native = _pairs(tuple(devices), tuple(formats))
    return Counted(
        **_of_shapes(batch),
        bandwidth=of_device(lambda d: d.bandwidth_gb_s * 1e9),
        rate=rates[batch.device_at, batch.format_at] * 1e12,
        rate_16bit=of_device(lambda d: d.tflops_16bit * 1e12),
        memory_bytes=of_device(lambda d: d.memory_gib * 2**30),
        link=of_device(lambda d: d.link_gb_s * 1e9),
        link_kind=of_device(lambda d: LINKS.get(d.link, 0)),
        capability_year=of_device(lambda d: d.year),
        linear_bits=of_format(lambda f: f.bits_linear),
        expert_bits=of_format(lambda f: f.bits_experts),
        embedding_bits=of_format(lambda f: f.bits_embedding),
        native=native[batch.device_at, batch.format_at],
        serving=of_engine(lambda e: e.kind == "serving"),
        local=of_engine(lambda e: e.kind == "local"),
        layer_split=of_engine(lambda e: e.parallelism == "layers"),
        max_sequences=_told(
            batch.max_sequences,
            np.where(
                large,
                of_engine(lambda e: e.max_sequences_large),
                of_engine(lambda e: e.max_sequences),
            ),
        ),
        memory_share=_told(batch.memory_share, of_engine(lambda e: e.memory_share)),
        overhead_bytes=of_engine(lambda e: e.overhead_gib * 2**30),
        request_s=of_engine(lambda e: REQUEST_S if e.kind == "serving" else 0.0),
    )


@lru_cache(maxsize=16)
def _pairs(devices: tuple[Device, ...], formats: tuple[Format, ...]) -> tuple[Array, Array]:
    """Matrix rates and whether they are native, `[devices, formats]`: thousands of pairs, asked for
    again at every load that a survey tries. Not to be written to.
    """
    rates = np.array([[matrix_rate(d, f) for f in formats] for d in devices], dtype=np.float64)
    native = np.array([[is_native(d, f) for f in formats] for d in devices], dtype=np.float64)
    return rates, native


def _gathered(table: Sequence[float] | Sequence[Sequence[float]], at: Index) -> Array:
    """Rows of a small table. A table of one row is not copied: a survey has one model, whose
    columns would be half of all that is held in memory. Not to be written to, then.
    """
    values = np.array(table, dtype=np.float64)
    if len(values) == 1:
        return np.broadcast_to(values[0], (len(at), *values.shape[1:]))
    return values[at]


def _told(setting: Array, default: Array) -> Array:
    return np.where(np.isfinite(setting), setting, default)


def _of_shapes(batch: Batch) -> dict[str, Array]:
    """The columns that come from the model alone, `[rows]` or `[rows, groups]`, by field."""

    def of_shape(value: Callable[[Shape], float]) -> Array:
        return _gathered([value(s) for s in batch.shapes], batch.shape_at)

    kinds = max(1, *(len(shape.mixers) for shape in batch.shapes))

    def of_groups(value: Callable[[MixerGroup], float], *, empty: float = 0.0) -> Array:
        rows = [[float(value(g)) for g in s.mixers] for s in batch.shapes]
        padded = [row + [empty] * (kinds - len(row)) for row in rows]
        return _gathered(padded, batch.shape_at)

    return {
        "layers": of_shape(lambda s: s.layers),
        "hidden": of_shape(lambda s: s.hidden_size),
        "linear_parameters": of_shape(linear_parameters),
        "embedding_parameters": of_shape(lambda s: s.embedding_parameters),
        "head_parameters": of_shape(lambda s: s.head_parameters),
        "separate_head_parameters": of_shape(separate_head_parameters),
        "expert_parameters": of_shape(lambda s: s.expert_parameters),
        "active_expert_parameters": of_shape(
            lambda s: s.expert_parameters * s.experts_per_token / max(1, s.experts)
        ),
        "experts": of_shape(lambda s: s.experts),
        "top_k": of_shape(lambda s: s.experts_per_token),
        "moe_layers": of_shape(lambda s: s.moe_layers),
        "kv_elements": of_groups(lambda g: g.layers * g.kv_elements),
        "kv_heads": of_groups(lambda g: g.kv_heads, empty=1),
        "windows": of_groups(lambda g: g.window_tokens or NO_WINDOW, empty=NO_WINDOW),
        "dot_width": of_groups(lambda g: g.layers * g.dot_width),
        "prefill_dot_width": of_groups(
            lambda g: g.layers * g.dot_width * (LATENT_PREFILL if g.mixer is Mixer.LATENT else 1.0)
        ),
        "state_elements": of_shape(lambda s: s.state_elements()),
        "attention_share": of_shape(_attention_share),
    }


LINKS: Final = {"none": 0, "bridge": 1, "fabric": 2, "nvlink": 3}


def linear_parameters(shape: Shape) -> int:
    """Everything but embeddings, a separate head and routed experts."""
    return (
        shape.parameters
        - shape.embedding_parameters
        - separate_head_parameters(shape)
        - shape.expert_parameters
    )


def separate_head_parameters(shape: Shape) -> int:
    """The output head, unless it shares the embedding table."""
    return 0 if shape.tied_embeddings else shape.head_parameters


def matrix_rate(device: Device, weights: Format) -> float:
    """Dense data-sheet rate, in TFLOPS, of the unit that multiplies weights of this format."""
    if weights.compute == "fp32":
        return device.tflops_16bit / 2
    if weights.compute == "fp8" and device.tflops_fp8:
        return device.tflops_fp8
    if weights.compute == "fp4" and device.tflops_fp4:
        return device.tflops_fp4
    if weights.compute == "int8" and device.tops_int8 and "int8" in device.native:
        return device.tops_int8
    return device.tflops_16bit


def is_native(device: Device, weights: Format) -> bool:
    """Whether the device computes in the format itself."""
    if weights.compute in ("16bit", "fp32"):
        return not weights.weight_only
    return weights.compute in device.native


def _attention_share(shape: Shape) -> float:
    growing = sum(g.layers for g in shape.mixers if g.kv_elements and not g.window_tokens)
    return growing / max(1, shape.layers)
