"""An image pipeline in numbers: what is held in memory, and what one picture costs in operations.

A denoiser is a sum of tiers: weights that are applied once per position of a grid. A transformer
has one grid, a UNet one per level; the decoder is counted alike.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """`parameters` applied at every square of `scale_px` pixels; `attention` is width x layers of
    the self-attention among these squares and `joint_tokens` of text."""

    scale_px: int
    parameters: float
    attention: float = 0.0
    joint_tokens: int = 0

    def positions(self, width_px: int, height_px: int) -> float:
        """Squares of one picture."""
        return (width_px / self.scale_px) * (height_px / self.scale_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Multiplications and additions, counted apart. `linear` layers run in the format of the
    weights, `attention` in 16 bits."""

    linear: float
    attention: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoiser:
    """The part that runs once per step. `text_parameters` are applied at each of `text_tokens`;
    `blocks` counts what is called one after the other."""

    parameters: float
    tiers: tuple[Tier, ...]
    text_parameters: float
    text_tokens: int
    width: int
    blocks: int

    def operations(self, width_px: int, height_px: int) -> Operations:
        """One pass over one picture."""
        linear = 2.0 * self.text_parameters * self.text_tokens
        attention = 0.0
        for tier in self.tiers:
            positions = tier.positions(width_px, height_px)
            linear += 2.0 * tier.parameters * positions
            attention += 4.0 * tier.attention * (positions + tier.joint_tokens) ** 2
        return Operations(linear=linear, attention=attention)

    def states(self, width_px: int, height_px: int) -> float:
        """Values of one width that its attention layers hand on, summed over them, in one pass.

        What the residual blocks of a UNet hand on is not counted.
        """
        return sum(
            (tier.positions(width_px, height_px) + tier.joint_tokens) * tier.attention
            for tier in self.tiers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A text encoder: it reads `tokens` once per picture."""

    name: str
    parameters: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Latents to pixels. `parameters` include the way back, which is loaded too; `widest` is the
    number of channels of the widest layer at full size."""

    parameters: float
    tiers: tuple[Tier, ...]
    widest: int

    def operations(self, width_px: int, height_px: int) -> float:
        """One picture."""
        return sum(2.0 * t.parameters * t.positions(width_px, height_px) for t in self.tiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageShape:
    """A pipeline."""

    denoiser: Denoiser
    encoders: tuple[Encoder, ...]
    decoder: Decoder

    @property
    def parameters(self) -> float:
        """Of all parts."""
        encoders = sum(encoder.parameters for encoder in self.encoders)
        return self.denoiser.parameters + encoders + self.decoder.parameters

    def encode_operations(self) -> float:
        """All text encoders, once."""
        return sum(2.0 * one.parameters * one.tokens for one in self.encoders)
