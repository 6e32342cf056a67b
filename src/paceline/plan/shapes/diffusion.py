"""Parameters of image generators, from the config of their denoiser.

Text encoders and the image decoder are separate models and not counted here.
"""

from typing import Final

from paceline.plan.shapes.fields import Config, integer, integers, needed
from paceline.plan.shapes.shape import Shape, ShapeKind

# One stream of a joint block: attention in and out (4), MLP (8), modulation (6), in width².
STREAM: Final = 18
# A single-stream block: fused qkv and MLP in (7), fused out (5), modulation (3).
SINGLE: Final = 15
DUAL_ATTENTION: Final = 7  # a second attention on the image stream, with its modulation


def diffusion_shape(config: Config) -> Shape:
    """Count a Flux, Stable Diffusion 3 or UNet denoiser; within 9 % of the published sizes."""
    if config.get("_class_name") == "UNet2DConditionModel":
        return _shape(0, 0, _unet(config))
    heads, size = needed(config, "heads"), needed(config, "head_size")
    width, layers = heads * size, needed(config, "layers")
    single = integer(config, "num_single_layers") or 0
    joint = integer(config, "joint_attention_dim") or 4096
    pooled = integer(config, "pooled_projection_dim") or 2048
    parameters = layers * 2 * STREAM * width**2 + single * SINGLE * width**2
    parameters += len(integers(config, "dual_attention_layers")) * DUAL_ATTENTION * width**2
    parameters += width * (joint + pooled + 256) + 3 * width**2
    return _shape(layers + single, width, parameters)


def _shape(layers: int, width: int, parameters: int) -> Shape:
    return Shape(
        kind=ShapeKind.DIFFUSION,
        layers=layers,
        hidden_size=width,
        vocab_size=0,
        parameters=parameters,
        active_parameters=parameters,
        embedding_parameters=0,
        head_parameters=0,
        expert_parameters=0,
        experts=0,
        experts_per_token=0,
        moe_layers=0,
        mixers=(),
        tied_embeddings=False,
        max_context_tokens=None,
        native_format=None,
    )


def _unet(config: Config) -> int:
    """Residual and cross-attention blocks of a latent-diffusion UNet (arXiv 2112.10752)."""
    channels = integers(config, "block_out_channels")
    depths = integers(config, "transformer_layers_per_block") or (1,) * len(channels)
    context = needed(config, "cross_attention_dim")
    per_block = integer(config, "layers_per_block") or 2
    types = config.get("down_block_types")
    crossed = [str(t).startswith("Cross") for t in types] if isinstance(types, list) else []
    embed = 4 * channels[0]
    total = 0
    for level, width in enumerate(channels):
        before = channels[max(0, level - 1)]
        attends = bool(crossed) and crossed[level]
        block = _attention(width, context, depths[level]) if attends else 0
        total += _residual(before, width, embed) + _residual(width, width, embed) * (per_block - 1)
        total += per_block * block
        # the way up has one block more, each fed by a skip connection
        total += (per_block + 1) * (_residual(2 * width, width, embed) + block)
        total += 2 * 9 * width * width * (level < len(channels) - 1)
    middle = channels[-1]
    total += 2 * _residual(middle, middle, embed) + _attention(middle, context, depths[-1])
    return total


def _residual(into: int, out: int, embed: int) -> int:
    skip = into * out if into != out else 0
    return 9 * into * out + 9 * out * out + embed * out + skip


def _attention(width: int, context: int, depth: int) -> int:
    """Self-attention 4w², cross-attention 2w² + 2wc, gated MLP 12w², projections 2w²."""
    return depth * (18 * width**2 + 2 * width * context) + 2 * width**2
