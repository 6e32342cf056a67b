"""Train the decoder alone: pixels → latents → pixels. Minutes on one core."""

import random
import time
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL

from train_image.captions import example
from train_image.parts import decoder
from train_image.shapes import draw

STEPS: Final = 1200
BATCH: Final = 16
PEAK_RATE: Final = 2e-3
_WARMUP: Final = 30
_MEASURED: Final = 512
_CERTAIN: Final = -20.0  # logarithm of the variance of latents: there is no noise in them


def train_decoder(seed: int, folder: Path, steps: int = STEPS) -> AutoencoderKL:
    """The trained decoder, with the scale of its latents set; found again in `folder`."""
    if (folder / "config.json").exists():
        return AutoencoderKL.from_pretrained(folder)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = decoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.0)
    _forget_variance(model)
    began = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min((step + 1) / _WARMUP, 1.0, 2 * (1 - step / steps))
        pixels = _pictures(rng, BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            latents = model.encode(pixels).latent_dist.mode()
            error = model.decode(latents).sample.float() - pixels
        loss = error.square().mean() + 0.1 * error.abs().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 50 == 0:
            took_s = time.monotonic() - began
            print(
                f"decoder {step + 1}: error {error.abs().mean().item():.4f}, {took_s:.0f} s",
                flush=True,
            )
    _set_scale(model, rng)
    model.save_pretrained(folder)
    return model


@torch.no_grad()
def _forget_variance(model: AutoencoderKL) -> None:
    """Half of the encoder's outputs say how uncertain the other half is: not at all."""
    last = model.encoder.conv_out
    half = last.out_channels // 2
    last.weight[half:].zero_()
    last.bias[half:].fill_(_CERTAIN)


@torch.no_grad()
def encode(model: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    """Latents as the denoiser sees them: mean 0, deviation 1."""
    latents: torch.Tensor = model.encode(pixels).latent_dist.mode()
    scaled: torch.Tensor = (latents - model.config.shift_factor) * model.config.scaling_factor
    return scaled


@torch.no_grad()
def _set_scale(model: AutoencoderKL, rng: random.Random) -> None:
    latents = model.encode(_pictures(rng, _MEASURED)).latent_dist.mode()
    model.register_to_config(
        shift_factor=latents.mean().item(), scaling_factor=1 / latents.std().item()
    )


def _pictures(rng: random.Random, count: int) -> torch.Tensor:
    return draw([example(rng)[1] for _ in range(count)])
