"""Configs of the families' own checkpoints, as far as planning needs them.

Source: config.json of each component in the repositories that `records.image_families` names, and
the papers where they say the same (FLUX.1: 19 double and 38 single blocks of width 3,072; Stable
Diffusion 3.5 Large: 38 blocks of width 2,432; SDXL: arXiv 2307.01952). Read 2026-11.
"""

from collections.abc import Mapping
from typing import Final

from paceline.plan.images.read import Configs, read_image_shape
from paceline.plan.images.shape import ImageShape

_CLIP_L: Final = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
}
_CLIP_G: Final = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
}
_T5_XXL: Final = {
    "d_model": 4096,
    "d_ff": 10240,
    "d_kv": 64,
    "num_heads": 64,
    "num_layers": 24,
    "vocab_size": 32128,
    "feed_forward_proj": "gated-gelu",
}
_DECODER: Final = {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}
_FLUX: Final[Configs] = {
    "transformer": {
        "num_layers": 19,
        "num_single_layers": 38,
        "num_attention_heads": 24,
        "attention_head_dim": 128,
    },
    "text_encoder": _CLIP_L,
    "text_encoder_2": _T5_XXL,
    "vae": _DECODER,
}
_FLUX_GUIDED: Final[Configs] = {
    **_FLUX,
    "transformer": {**_FLUX["transformer"], "guidance_embeds": True},
}
_SD3: Final[Configs] = {
    "transformer": {
        "num_layers": 38,
        "num_attention_heads": 38,
        "attention_head_dim": 64,
        "patch_size": 2,
    },
    "text_encoder": _CLIP_L,
    "text_encoder_2": _CLIP_G,
    "text_encoder_3": _T5_XXL,
    "vae": _DECODER,
}
_SDXL: Final[Configs] = {
    "unet": {
        "block_out_channels": [320, 640, 1280],
        "transformer_layers_per_block": [1, 2, 10],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "layers_per_block": 2,
        "cross_attention_dim": 2048,
    },
    "text_encoder": _CLIP_L,
    "text_encoder_2": _CLIP_G,
    "vae": _DECODER,
}
_CONFIGS: Final[Mapping[str, Configs]] = {
    "flux-schnell": _FLUX,
    "flux-dev": _FLUX_GUIDED,
    "sd3.5-large": _SD3,
    "sdxl-turbo": _SDXL,
    "sdxl-lightning": _SDXL,
    "sdxl": _SDXL,
}


def known_image_shape(family: str) -> ImageShape | None:
    """The shape of a family's own checkpoint; `None` for a family that has none elsewhere."""
    configs = _CONFIGS.get(family)
    return None if configs is None else read_image_shape(configs)
