"""FLUX.1-schnell and SDXL in their real shapes, with random weights: speed does not depend on them.

Shapes: the configs in the models' own repositories. The tokenizers are the small ones; texts are
padded to the real length all the same. 34 GB and 7 GB on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from paceline.runtimes.image_synth.tokenizers import CLIP_LENGTH, clip_tokenizer, t5_tokenizer


def flux_schnell() -> Any:
    """12B: the defaults of Diffusers' class are its shape."""
    tokenizer, tokenizer_2 = clip_tokenizer(), t5_tokenizer()
    return FluxPipeline(
        scheduler=_flow_match(),
        vae=_vae(latent_channels=16, scaling=0.3611, shift=0.1159, convolved=False),
        text_encoder=CLIPTextModel(_clip(tokenizer, width=768, layers=12, heads=12)),
        tokenizer=tokenizer,
        text_encoder_2=T5EncoderModel(_t5_xxl()),
        tokenizer_2=tokenizer_2,
        transformer=FluxTransformer2DModel(),
    )


def sdxl() -> Any:
    """3.5B, of which the UNet is 2.6B."""
    tokenizer, tokenizer_2 = clip_tokenizer(), clip_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        transformer_layers_per_block=(1, 2, 10),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    return StableDiffusionXLPipeline(
        vae=_vae(latent_channels=4, scaling=0.13025, shift=None, convolved=True),
        text_encoder=CLIPTextModel(_clip(tokenizer, width=768, layers=12, heads=12)),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(
            _clip(tokenizer_2, width=1280, layers=32, heads=20)
        ),
        tokenizer_2=tokenizer_2,
        unet=unet,
        scheduler=_euler(),
        add_watermarker=False,
    )


FULL_SIZE: Final[Mapping[str, Callable[[], Any]]] = {
    "full-flux-schnell": flux_schnell,
    "full-sdxl": sdxl,
}


def _flow_match() -> Any:
    with torch.device("cpu"):  # schedulers compute with NumPy while they are built
        return FlowMatchEulerDiscreteScheduler(shift=1.0)


def _euler() -> Any:
    with torch.device("cpu"):
        return EulerDiscreteScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1
        )


def _vae(*, latent_channels: int, scaling: float, shift: float | None, convolved: bool) -> Any:
    depth = 4
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=latent_channels,
        sample_size=1024,
        scaling_factor=scaling,
        shift_factor=shift,
        use_quant_conv=convolved,
        use_post_quant_conv=convolved,
    )


def _clip(tokenizer: Any, *, width: int, layers: int, heads: int) -> Any:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=CLIP_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _t5_xxl() -> Any:
    return T5Config(
        d_model=4096,
        d_ff=10240,
        d_kv=64,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
    )
