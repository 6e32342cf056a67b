"""config.json in, `Shape` out. Nothing is looked up by a model's name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from paceline.errors import Code, SpecError
from paceline.plan.shapes.diffusion import diffusion_shape
from paceline.plan.shapes.experts import feed_forward
from paceline.plan.shapes.families import DIFFUSION, ENCODERS, FAMILIES, SPEECH, Family
from paceline.plan.shapes.fields import Config, integer, needed, text_part
from paceline.plan.shapes.mixers import mixing
from paceline.plan.shapes.shape import Mixer, MixerGroup, Shape, ShapeKind

NORMS_PER_LAYER: Final = 2
CROSS_ATTENTION: Final = 4  # width² of one more attention in each decoder layer


def read_shape(config: Config) -> Shape:
    """Count a model from its config.json (a dict as parsed).

    Raises:
        SpecError: the architecture is not known, or a size it needs is missing.
    """
    if str(config.get("_class_name")) in DIFFUSION:
        return diffusion_shape(config)
    text = text_part(config)
    model_type = str(text.get("model_type") or config.get("model_type"))
    if model_type in ENCODERS:
        return _encoder(text, _as_said(ENCODERS[model_type], text), with_decoder=False)
    if model_type in SPEECH:
        return _encoder(text, SPEECH[model_type], with_decoder=True)
    family = FAMILIES.get(model_type) or FAMILIES.get(str(config.get("model_type")))
    if family is None:
        raise SpecError(
            Code.UNKNOWN_ARCHITECTURE,
            f"cannot count a model of type {model_type!r}",
            why=f"{model_type!r} is none of the {len(FAMILIES)} language, {len(ENCODERS)} encoder"
            f" and {len(DIFFUSION)} image architectures Paceline knows",
            fix="name a model of a known architecture: docs/guides/models.md lists those that can"
            " be measured",
        )
    return _decoder(config, text, family)


def _decoder(config: Config, text: Config, family: Family) -> Shape:
    hidden, layers, vocab = needed(text, "hidden"), needed(text, "layers"), needed(text, "vocab")
    tied = text.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    tied = family.tied if tied is None else bool(tied)
    mixers, feed = mixing(text, family), feed_forward(text, family)
    context = integer(text, "context")
    table = vocab * hidden
    positions = (context or 0) * hidden if family.learned_positions else 0
    dense = mixers.parameters + feed.always + (NORMS_PER_LAYER * layers + 1) * hidden
    return Shape(
        kind=ShapeKind.DECODER,
        layers=layers,
        hidden_size=hidden,
        vocab_size=vocab,
        parameters=dense + feed.routed + table * (1 if tied else 2) + positions,
        active_parameters=dense + feed.routed_active + table,
        embedding_parameters=table + positions,
        head_parameters=table,
        expert_parameters=feed.routed,
        experts=feed.experts,
        experts_per_token=feed.experts_per_token,
        moe_layers=feed.moe_layers,
        mixers=mixers.groups,
        tied_embeddings=tied,
        max_context_tokens=context,
        native_format=_native_format(config, text),
    )


def _as_said(family: Family, text: Config) -> Family:
    """Nomic's encoders say by their activation whether the MLP is gated."""
    activation = text.get("activation_function")
    if not isinstance(activation, str):
        return family
    return replace(family, gated_mlp=activation.endswith("glu"))


def _encoder(text: Config, family: Family, *, with_decoder: bool) -> Shape:
    """BERT-like encoders, and Whisper with its decoder; biases ignored."""
    hidden, layers, heads = needed(text, "hidden"), needed(text, "layers"), needed(text, "heads")
    feed = feed_forward(text, family)
    attention = 4 * hidden**2 + (NORMS_PER_LAYER * 2) * hidden
    context = integer(text, "context")
    table = needed(text, "vocab") * hidden
    positions = (context or integer(text, "max_source_positions") or 0) * hidden
    positions *= family.learned_positions
    parameters = layers * attention + feed.always + feed.routed + table + positions
    decoder_layers = (integer(text, "decoder_layers") or layers) if with_decoder else 0
    parameters += decoder_layers * (attention + CROSS_ATTENTION * hidden**2)
    parameters += decoder_layers * feed.always // layers
    size = hidden // heads
    cache = MixerGroup(
        mixer=Mixer.FULL,
        layers=decoder_layers,
        kv_elements=2 * heads * size,
        kv_heads=heads,
        dot_width=2 * heads * size,
    )
    return Shape(
        kind=ShapeKind.SPEECH if with_decoder else ShapeKind.ENCODER,
        layers=layers + decoder_layers,
        hidden_size=hidden,
        vocab_size=needed(text, "vocab"),
        parameters=parameters,
        active_parameters=parameters
        - (feed.routed - feed.routed_active)
        - positions
        - (0 if with_decoder else table),
        embedding_parameters=table + positions,
        head_parameters=table if with_decoder else 0,
        expert_parameters=feed.routed,
        experts=feed.experts,
        experts_per_token=feed.experts_per_token,
        moe_layers=feed.moe_layers,
        mixers=(cache,) if with_decoder else (),
        tied_embeddings=True,
        max_context_tokens=context,
        native_format=None,
    )


def _native_format(config: Config, text: Config) -> str | None:
    for part in (config, text):
        block = part.get("quantization_config")
        if isinstance(block, Mapping):
            method = block.get("quant_algo") or block.get("format") or block.get("quant_method")
            return None if method is None else str(method).lower()
    return None
