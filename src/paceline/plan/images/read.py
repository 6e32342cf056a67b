"""Configs of a pipeline's components → `ImageShape`.

Keys as Diffusers 0.42 and Transformers 5 write them. Counted are matrices; norms and biases are
left out, which is below a hundredth of every model that was counted.
"""

from collections.abc import Mapping
from typing import Final

from paceline.errors import Code, SpecError
from paceline.plan.images.shape import Decoder, Denoiser, Encoder, ImageShape, Tier

Config = Mapping[str, object]
Configs = Mapping[str, Config]

DENOISERS: Final = ("transformer", "unet")
STREAM: Final = 12
"""Of one stream of a joint block, per position, in width²: attention 4 and MLP 8."""
SINGLE: Final = 12
"""Of a single-stream block: fused qkv and MLP in 7, fused out 5."""
MODULATION: Final = 6
"""Of one stream, applied once per picture."""
PATCH: Final = 2
FLUX_TOKENS: Final = 512
FLUX_FEW_STEPS_TOKENS: Final = 256
"""`max_sequence_length` of `FluxPipeline` (diffusers 0.42), and what its documentation allows the
model that was distilled to few steps: the one that reads no guidance."""
SD3_TOKENS: Final = 256
"""The same of `StableDiffusion3Pipeline`; zeros stand there where T5 is left out."""
CLIP_TOKENS: Final = 77
BOTH_WAYS: Final = 1.7
"""Parameters of an autoencoder over those of its decoder: 83.7 M over 49.5 M (SDXL)."""


def read_image_shape(configs: Configs) -> ImageShape:
    """The shape of the pipeline whose components have these configs.

    Raises SpecError (`bad-model`) where a denoiser is of no known kind, or a key is missing.
    """
    decoder = configs.get("vae", {})
    factor = 2 ** (len(_channels(decoder)) - 1)
    return ImageShape(
        denoiser=_denoiser(configs, factor),
        encoders=tuple(
            _encoder(name, config, tokens=_text_tokens(configs.get("transformer", {})))
            for name, config in configs.items()
            if name.startswith("text_encoder")
        ),
        decoder=_decoder(decoder),
    )


def _denoiser(configs: Configs, factor: int) -> Denoiser:
    if "unet" in configs:
        return _unet(configs["unet"], factor)
    if "transformer" not in configs:
        raise SpecError(
            Code.BAD_MODEL,
            "the pipeline has no denoiser that can be counted",
            why=f"its components are {', '.join(configs) or 'none'}",
            fix=f"name a pipeline with a {' or a '.join(DENOISERS)}",
        )
    config = configs["transformer"]
    return _flux(config, factor) if "num_single_layers" in config else _sd3(config, factor)


def _text_tokens(denoiser: Config) -> int:
    """What T5 reads for it."""
    if "num_single_layers" not in denoiser:
        return SD3_TOKENS
    return FLUX_TOKENS if denoiser.get("guidance_embeds") is True else FLUX_FEW_STEPS_TOKENS


def _flux(config: Config, factor: int) -> Denoiser:
    width = _needed(config, "num_attention_heads") * _needed(config, "attention_head_dim")
    double, single = _needed(config, "num_layers"), _needed(config, "num_single_layers")
    per_position = (double * STREAM + single * SINGLE) * width**2
    modulation = (double * 2 * MODULATION + single * 3) * width**2
    text_side = double * STREAM * width**2
    tier = Tier(
        scale_px=factor * PATCH,
        parameters=per_position,
        attention=float((double + single) * width),
        joint_tokens=_text_tokens(config),
    )
    return Denoiser(
        parameters=per_position + text_side + modulation,
        tiers=(tier,),
        text_parameters=per_position,
        text_tokens=_text_tokens(config),
        width=width,
        blocks=double + single,
    )


def _sd3(config: Config, factor: int) -> Denoiser:
    width = _needed(config, "num_attention_heads") * _needed(config, "attention_head_dim")
    layers = _needed(config, "num_layers")
    dual = len(_numbers(config, "dual_attention_layers", ()))
    per_position = layers * STREAM * width**2
    second = dual * 4 * width**2  # another attention, of the picture alone
    modulation = (layers * 2 * MODULATION + dual * 3) * width**2
    tokens = SD3_TOKENS + CLIP_TOKENS
    tier = Tier(
        scale_px=factor * (_number(config, "patch_size") or PATCH),
        parameters=per_position + second,
        attention=float((layers + dual) * width),
        joint_tokens=tokens,
    )
    return Denoiser(
        parameters=2 * per_position + second + modulation,
        tiers=(tier,),
        text_parameters=per_position,
        text_tokens=tokens,
        width=width,
        blocks=layers,
    )


def _unet(config: Config, factor: int) -> Denoiser:
    """Residual and cross-attention blocks of a latent-diffusion UNet (arXiv 2112.10752)."""
    channels = _channels(config)
    depths = _numbers(config, "transformer_layers_per_block", (1,) * len(channels))
    depths = depths if len(depths) == len(channels) else depths[:1] * len(channels)
    per_block = _number(config, "layers_per_block") or 2
    types = config.get("down_block_types")
    crossed = [str(kind).startswith("Cross") for kind in types] if isinstance(types, list) else []
    tiers = []
    for level, width in enumerate(channels):
        depth = depths[level] if level < len(crossed) and crossed[level] else 0
        before = channels[max(0, level - 1)]
        attends = _attends(width, depth)
        total = _residual(before, width) + (per_block - 1) * _residual(width, width)
        # The way up has one block more, each fed by a skip connection.
        total += (per_block + 1) * _residual(2 * width, width) + (2 * per_block + 1) * attends
        total += 18 * width**2 * (level < len(channels) - 1)
        blocks = 2 * per_block + 1
        if level == len(channels) - 1:
            total += 2 * _residual(width, width) + _attends(width, depths[-1])
            blocks += 1
        tiers.append(
            Tier(
                scale_px=factor * 2**level,
                parameters=float(total),
                attention=float(blocks * depth * width),
            )
        )
    context = _number(config, "cross_attention_dim") or 0
    crossings = sum(tier.attention for tier in tiers) * 2 * context
    return Denoiser(
        parameters=sum(tier.parameters for tier in tiers) + crossings,
        tiers=tuple(tiers),
        text_parameters=crossings,
        text_tokens=CLIP_TOKENS,
        width=channels[-1],
        blocks=sum((2 * per_block + 1) * max(1, depth) for depth in depths),
    )


def _residual(into: int, out: int) -> int:
    return 9 * into * out + 9 * out * out + (into * out if into != out else 0)


def _attends(width: int, depth: int) -> int:
    """Self-attention 4w², cross-attention 2w², gated MLP 12w² per layer; projections 2w²."""
    return (depth * 18 + 2) * width**2 if depth else 0


def _decoder(config: Config) -> Decoder:
    """The way up of an autoencoder: per level one residual block more than on the way down."""
    channels = _channels(config)
    blocks = (_number(config, "layers_per_block") or 2) + 1
    last = channels[-1]
    tiers = []
    for level, width in enumerate(channels):
        above = channels[min(level + 1, len(channels) - 1)]
        total = _residual(above, width) + (blocks - 1) * _residual(width, width)
        if level < len(channels) - 1:
            total += 9 * above**2  # the convolution after enlarging
        else:
            total += 2 * _residual(last, last) + 4 * last**2
        tiers.append(Tier(scale_px=2**level, parameters=float(total)))
    return Decoder(
        parameters=BOTH_WAYS * sum(tier.parameters for tier in tiers),
        tiers=tuple(tiers),
        widest=channels[min(1, len(channels) - 1)],
    )


def _encoder(name: str, config: Config, *, tokens: int) -> Encoder:
    """T5 (`d_model`), which reads `tokens`, or CLIP (`hidden_size`)."""
    wide = _number(config, "d_model")
    if wide is not None:
        inner = (_number(config, "d_kv") or 64) * (_number(config, "num_heads") or wide // 64)
        gated = "gated" in str(config.get("feed_forward_proj", ""))
        layer = 4 * wide * inner + (3 if gated else 2) * wide * _needed(config, "d_ff")
        total = _needed(config, "num_layers") * layer + _needed(config, "vocab_size") * wide
        return Encoder(name=name, parameters=float(total), tokens=tokens)
    nested = config.get("text_config")
    plain: Config = nested if isinstance(nested, dict) else config
    wide = _needed(plain, "hidden_size")
    layer = 4 * wide**2 + 2 * wide * _needed(plain, "intermediate_size")
    total = _needed(plain, "num_hidden_layers") * layer + _needed(plain, "vocab_size") * wide
    read = _number(plain, "max_position_embeddings") or CLIP_TOKENS
    return Encoder(name=name, parameters=float(total), tokens=read)


def _channels(config: Config) -> tuple[int, ...]:
    return _numbers(config, "block_out_channels", (128, 256, 512, 512))


def _numbers(config: Config, key: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    value = config.get(key)
    if isinstance(value, int):
        return (value,)
    if isinstance(value, list | tuple) and all(isinstance(one, int) for one in value):
        return tuple(value) or otherwise
    return otherwise


def _number(config: Config, key: str) -> int | None:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _needed(config: Config, key: str) -> int:
    value = _number(config, key)
    if value is None or value < 1:
        raise SpecError(
            Code.BAD_MODEL,
            f"a component's config does not say {key!r}",
            why=f"it holds {config.get(key)!r} where a whole number of at least 1 belongs",
            fix="use the config that belongs to the weights",
        )
    return value
