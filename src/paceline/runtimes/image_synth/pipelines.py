"""FLUX, Stable Diffusion 3 and SDXL in miniature: every part of the real pipeline is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
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

_WIDTH: Final = 32
_HEADS: Final = 2


def flux() -> Any:
    """FLUX: one CLIP, one T5, packed latents in patches of 2, guidance as an input (none here)."""
    tokenizer, tokenizer_2 = clip_tokenizer(), t5_tokenizer()
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=_HEADS,
        joint_attention_dim=_WIDTH,
        pooled_projection_dim=_WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=False,
    )
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        vae=_vae(latent_channels=4, shift=0.1),
        text_encoder=CLIPTextModel(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=T5EncoderModel(_t5_config(tokenizer_2)),
        tokenizer_2=tokenizer_2,
        transformer=transformer,
    )


def sd3() -> Any:
    """Stable Diffusion 3: two CLIPs and one T5, a joint transformer."""
    tokenizer, tokenizer_2, tokenizer_3 = clip_tokenizer(), clip_tokenizer(), t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=4,
        caption_projection_dim=64,
        joint_attention_dim=_WIDTH,
        pooled_projection_dim=2 * _WIDTH,
        pos_embed_max_size=128,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(latent_channels=4, shift=0.0),
        text_encoder=CLIPTextModelWithProjection(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(_clip_config(tokenizer_2)),
        tokenizer_2=tokenizer_2,
        text_encoder_3=T5EncoderModel(_t5_config(tokenizer_3)),
        tokenizer_3=tokenizer_3,
    )


def sdxl() -> Any:
    """Stable Diffusion XL: two CLIPs, a UNet with attention in its deeper half."""
    tokenizer, tokenizer_2 = clip_tokenizer(), clip_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        # six numbers about sizes, each embedded, beside the pooled text
        projection_class_embeddings_input_dim=6 * 8 + _WIDTH,
        cross_attention_dim=2 * _WIDTH,
        norm_num_groups=8,
    )
    return StableDiffusionXLPipeline(
        vae=_vae(latent_channels=4, shift=None, scaling=0.13025),
        text_encoder=CLIPTextModel(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(_clip_config(tokenizer_2)),
        tokenizer_2=tokenizer_2,
        unet=unet,
        scheduler=DPMSolverMultistepScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1
        ),
        add_watermarker=False,
    )


PIPELINES: Final[Mapping[str, Callable[[], Any]]] = {
    "tiny-flux": flux,
    "tiny-sd3": sd3,
    "tiny-sdxl": sdxl,
}


def _vae(*, latent_channels: int, shift: float | None, scaling: float = 1.0) -> Any:
    """Eight pixels to one latent, as the real ones."""
    depth = 4
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        block_out_channels=(8, 8, 16, 16),
        latent_channels=latent_channels,
        norm_num_groups=4,
        layers_per_block=1,
        scaling_factor=scaling,
        shift_factor=shift,
        use_quant_conv=False,
        use_post_quant_conv=False,
        sample_size=64,
    )


def _clip_config(tokenizer: Any) -> Any:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        projection_dim=_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=_HEADS,
        max_position_embeddings=CLIP_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _t5_config(tokenizer: Any) -> Any:
    return T5Config(
        vocab_size=len(tokenizer),
        d_model=_WIDTH,
        d_ff=2 * _WIDTH,
        d_kv=16,
        num_layers=2,
        num_heads=_HEADS,
    )
