"""What a deployment takes of each device, whether it fits, and how many requests fit at once.

The general form: tensor, pipeline, expert and data parallelism, quantized weights, windows, latent
vectors and recurrent state. The formulas and their sources are in
`paceline.plan.predict.placement`; this module asks them about one deployment at a time and says
what it found in words.
"""

from dataclasses import dataclass
from typing import Final

from paceline.plan.facts.tables import Device, EngineFacts, Format
from paceline.plan.predict.columns import counted
from paceline.plan.predict.deployment import Deployment, batch_of
from paceline.plan.predict.placement import placement
from paceline.plan.shapes import Mixer, Shape
from paceline.units import BYTES_PER_GIB

HOPPER: Final = 9.0
"""gpt-oss has kernels of its own from here on (TensorRT-LLM and others)."""
EMULATORS: Final = {"vllm": ("fp8", "fp4"), "sglang": ("fp4",), "llama.cpp": ("fp4",)}
"""Engines with kernels that unpack narrow weights on devices without the matrix unit
(vLLM docs, supported hardware; gpt-oss on A100 in the GPUStack performance lab)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """GiB on each device, and what that allows."""

    weights_gib: float
    kv_per_request_gib: float
    """One request of full length (input and output), its recurrent state included."""
    activations_gib: float
    overhead_gib: float
    """Runtime, captured graphs and communication buffers of the engine."""
    have_gib: float
    """What the engine can be told to use."""
    highest_concurrency: int
    """Requests of full length that fit at once, over all devices; 0 if not even one does."""

    @property
    def need_gib(self) -> float:
        """With one request in flight."""
        return self.weights_gib + self.kv_per_request_gib + self.activations_gib + self.overhead_gib

    @property
    def fits(self) -> bool:
        return self.highest_concurrency > 0

    @property
    def parts(self) -> str:
        """What is needed on each device, added up."""
        return (
            f"weights {self.weights_gib:.1f} GiB + one request {self.kv_per_request_gib:.2f} GiB + "
            f"activations {self.activations_gib:.1f} GiB + engine {self.overhead_gib:.1f} GiB = "
            f"{self.need_gib:.1f} GiB"
        )

    @property
    def explanation(self) -> str:
        """Both sides of the comparison with their parts."""
        sign = "<=" if self.fits else ">"
        return f"{self.parts} {sign} {self.have_gib:.1f} GiB per device"


def memory_use(deployment: Deployment, *, memory_share: float | None = None) -> MemoryUse:
    """Count one deployment; pure arithmetic, well under a millisecond.

    `memory_share` (0 to 1) is what the engine may use of a device, when it is told.
    """
    batch = batch_of([deployment])
    place = placement(batch, counted(batch))
    tokens = deployment.input_tokens + deployment.output_tokens
    per_request = float(place.kv_bytes_per_token[0]) * tokens + float(place.state_bytes[0])
    have = float(place.most_bytes[0])
    if memory_share is not None:
        have = deployment.device.memory_gib * BYTES_PER_GIB * memory_share
    weights, overhead = float(place.weight_bytes[0]), float(place.overhead_bytes[0])
    activations = float(place.activation_bytes[0])
    room = (have - weights - activations - overhead) / max(1.0, per_request)
    return MemoryUse(
        weights_gib=weights / BYTES_PER_GIB,
        kv_per_request_gib=per_request / BYTES_PER_GIB,
        activations_gib=activations / BYTES_PER_GIB,
        overhead_gib=overhead / BYTES_PER_GIB,
        have_gib=have / BYTES_PER_GIB,
        highest_concurrency=max(0, int(room)) * int(place.lanes[0]),
    )


def unsupported(
    device: Device,
    weights: Format,
    engine: EngineFacts,
    *,
    shape: Shape | None = None,
    tensor_parallel: int = 1,
) -> str | None:
    """Why this combination cannot run whatever its memory; `None` if nothing is known against it.

    Looks at vendors, formats, compute capability, and whether heads divide over the shards.
    """
    if engine.vendors and device.vendor not in engine.vendors:
        return f"{engine.name} has no back end for {device.vendor}: {' '.join(engine.vendors)}"
    formats = engine.formats_on(device.vendor)
    if formats and weights.name not in formats:
        where = "" if formats == engine.formats else f" on {device.vendor}"
        return f"{engine.name} does not load {weights.name}{where}"
    reason = _format_reason(device, weights, engine)
    if reason is None and shape is not None and tensor_parallel > 1:
        reason = split_reason(shape, engine, tensor_parallel)
    return reason


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
    if engine.parallelism == "layers":
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
