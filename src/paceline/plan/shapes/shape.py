"""The shape of a model: every count that memory and speed depend on, and no name.

Counts are elements (parameters, KV entries); bytes follow from a format (`plan.facts.formats`).
Vision and audio towers beside a language model are not counted.
"""

from dataclasses import dataclass
from enum import StrEnum


class ShapeKind(StrEnum):
    """What the model does in one pass."""

    DECODER = "decoder"
    ENCODER = "encoder"
    SPEECH = "speech"
    DIFFUSION = "diffusion"


class Mixer(StrEnum):
    """How a layer mixes tokens, which decides what it must remember."""

    FULL = "full"
    """Keys and values of every token (multi-head, grouped-query or multi-query)."""
    WINDOW = "window"
    """Keys and values of the last `window_tokens`."""
    LATENT = "latent"
    """One compressed vector per token (multi-head latent attention)."""
    STATE = "state"
    """A fixed state per sequence (linear attention, state-space models)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixerGroup:
    """Layers of one model that mix tokens in the same way.

    `kv_elements` and `dot_width` are per token and layer: what is stored, and the multiply-adds a
    query spends on each remembered token. `state_elements` is per sequence and layer.
    """

    mixer: Mixer
    layers: int
    kv_elements: int
    kv_heads: int
    dot_width: int
    window_tokens: int | None = None
    state_elements: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What config.json says about a model, in counts.

    `parameters` holds everything once (tied embeddings once); `active_parameters` is what one
    token multiplies with: dense layers, the experts it is routed to and the output head.
    """

    kind: ShapeKind
    layers: int
    hidden_size: int
    vocab_size: int
    parameters: int
    active_parameters: int
    embedding_parameters: int
    """The input table: resident, but a step reads only the rows it needs."""
    head_parameters: int
    """The output head; for tied embeddings the shared table, already in `parameters`."""
    expert_parameters: int
    """All routed experts together; 0 in a dense model."""
    experts: int
    experts_per_token: int
    moe_layers: int
    mixers: tuple[MixerGroup, ...]
    tied_embeddings: bool
    max_context_tokens: int | None
    native_format: str | None
    """Format named by `quantization_config`, when the checkpoint is already quantized."""

    def kv_elements_per_token(self, context_tokens: float | None = None) -> float:
        """KV entries per token of a sequence, averaged over `context_tokens` where windows bind.

        Without a context every layer counts in full: the table value people quote.
        Layers x stored elements; full attention stores 2 x KV heads x head size.
        """
        total = 0.0
        for group in self.mixers:
            share = 1.0
            if context_tokens and group.window_tokens:
                share = min(1.0, group.window_tokens / context_tokens)
            total += group.layers * group.kv_elements * share
        return total

    def state_elements(self) -> int:
        """Elements of recurrent state per sequence, whatever its length."""
        return sum(group.layers * group.state_elements for group in self.mixers)
