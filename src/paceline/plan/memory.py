"""What a deployment takes of each device, whether it fits, and how many requests fit at once.

The general form: tensor, pipeline, expert and data parallelism, quantized weights, windows, latent
vectors and recurrent state. The formulas and their sources are in
`paceline.plan.predict.placement`; this module asks them about one deployment at a time and says
what it found in words.
"""

from dataclasses import dataclass

from paceline.plan.predict.columns import counted
from paceline.plan.predict.deployment import Deployment, batch_of
from paceline.plan.predict.placement import placement
from paceline.units import BYTES_PER_GIB


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
