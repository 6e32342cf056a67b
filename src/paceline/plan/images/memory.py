"""What an image pipeline needs of a device, with every part there at once or taking turns."""

from dataclasses import dataclass
from typing import Final

from paceline.plan.images.shape import ImageShape
from paceline.records.image import ImageLoad
from paceline.units import BYTES_PER_GIB

BYTES_PER_WEIGHT: Final = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.02, "int8": 1.02}
"""Of the denoiser; scales are one per channel. Encoders and decoder stay in 16 bits."""
HALF: Final = 2.0
STATES: Final = 24.0
"""Values of 16 bits that one position of the denoiser holds at once, in widths: states, qkv, the
MLP's 4 and its gate, copies for residuals. Set by hand."""
PLANES: Final = 5.0
"""Full-size planes of the decoder's widest layer that are alive at once. Set by hand."""
RUNTIME_GIB: Final = {"gpu": 0.9, "cpu": 0.7}
"""PyTorch with its context on a card; its libraries in a process."""
SHARE: Final = 0.92
"""Of a device's memory, for pictures: nothing else grows, as a KV cache does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMemory:
    """GiB on one device."""

    denoiser_gib: float
    encoders_gib: float
    decoder_gib: float
    activations_gib: float
    runtime_gib: float
    have_gib: float
    offload: bool

    @property
    def weights_gib(self) -> float:
        """At one time: all parts, or the largest of them."""
        parts = (self.denoiser_gib, self.encoders_gib, self.decoder_gib)
        return max(parts) if self.offload else sum(parts)

    @property
    def moved_gib(self) -> float:
        """To the device for each batch of pictures."""
        return self.denoiser_gib + self.encoders_gib + self.decoder_gib if self.offload else 0.0

    @property
    def need_gib(self) -> float:
        return self.weights_gib + self.activations_gib + self.runtime_gib

    @property
    def fits(self) -> bool:
        return self.need_gib <= self.have_gib

    @property
    def parts(self) -> str:
        """What is needed, added up."""
        if self.offload:
            weights = f"the largest part {self.weights_gib:.1f} GiB"
        else:
            weights = (
                f"denoiser {self.denoiser_gib:.1f} GiB + text encoders {self.encoders_gib:.1f} GiB"
                f" + decoder {self.decoder_gib:.1f} GiB"
            )
        return (
            f"{weights} + activations {self.activations_gib:.1f} GiB + runtime"
            f" {self.runtime_gib:.1f} GiB = {self.need_gib:.1f} GiB"
        )


def image_memory(
    shape: ImageShape,
    load: ImageLoad,
    *,
    format_: str,
    memory_gib: float,
    kind: str,
    pictures: int = 1,
    offload: bool = False,
) -> ImageMemory:
    """Count one variant; `pictures` are made at once, twice as many where guidance doubles them.

    `kind` is `cpu` or `gpu`.
    """
    positions = sum(t.positions(load.width_px, load.height_px) for t in shape.denoiser.tiers[:1])
    states = (positions + shape.denoiser.text_tokens) * shape.denoiser.width * STATES
    planes = load.width_px * load.height_px * shape.decoder.widest * PLANES
    encoders = sum(one.parameters for one in shape.encoders)
    return ImageMemory(
        denoiser_gib=shape.denoiser.parameters
        * BYTES_PER_WEIGHT.get(format_, HALF)
        / BYTES_PER_GIB,
        encoders_gib=encoders * HALF / BYTES_PER_GIB,
        decoder_gib=shape.decoder.parameters * HALF / BYTES_PER_GIB,
        activations_gib=max(states, planes) * HALF * pictures / BYTES_PER_GIB,
        runtime_gib=RUNTIME_GIB.get(kind, RUNTIME_GIB["gpu"]),
        have_gib=memory_gib * SHARE,
        offload=offload,
    )
