"""The parts of the pipeline, untrained: a tiny Stable Diffusion 3.

Every width is a multiple of 64, so that group-wise formats apply. The pipeline goes without T5, as
Stable Diffusion 3 can.
"""

from typing import Final

from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from train_image.shapes import SIDE_PX
from train_image.tokenizer import MOST_TOKENS

FACTOR: Final = 4
"""Pixels per latent and side."""
LATENTS: Final = 8
TEXT_WIDTH: Final = 64
SHIFT: Final = 2.0
"""Of the noise levels towards noise, where it is decided what a picture shows."""
_HEADS: Final = 6
_HEAD_SIZE: Final = 32
_LAYERS: Final = 4
_MOST_SIDE_PX: Final = 512


def decoder() -> AutoencoderKL:
    """Between pixels and latents, a quarter of the side."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 32),
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=8,
        sample_size=SIDE_PX,
        scaling_factor=1.0,
        shift_factor=0.0,
        force_upcast=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )


def text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModelWithProjection:
    """One of the two that Stable Diffusion 3 has."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=MOST_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def denoiser() -> SD3Transformer2DModel:
    """The part that runs once per step."""
    width = _HEADS * _HEAD_SIZE
    return SD3Transformer2DModel(
        sample_size=SIDE_PX // FACTOR,
        patch_size=2,
        in_channels=LATENTS,
        out_channels=LATENTS,
        num_layers=_LAYERS,
        attention_head_dim=_HEAD_SIZE,
        num_attention_heads=_HEADS,
        joint_attention_dim=2 * TEXT_WIDTH,
        caption_projection_dim=width,
        pooled_projection_dim=2 * TEXT_WIDTH,
        pos_embed_max_size=_MOST_SIDE_PX // FACTOR // 2,
        qk_norm="rms_norm",
    )


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Straight lines from noise to picture."""
    return FlowMatchEulerDiscreteScheduler(shift=SHIFT)
