"""Train the image model on the CPU: `python -m train_image.train OUT`, resumable, seeded.

Rectified flow (Liu et al. 2022, arXiv 2209.03003): between a picture and noise lies a straight
line; the denoiser learns its direction at every point. Text encoders are trained along with it.
The same seed gives the same pictures, captions and starting weights; sums of floating point may
differ between machines.
"""

import argparse
import copy
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from train_image.captions import example
from train_image.joint_attention import OneForMany
from train_image.parts import SHIFT, denoiser, scheduler, text_encoder
from train_image.shapes import draw
from train_image.suite import make_items, render
from train_image.tokenizer import make_tokenizer
from train_image.train_decoder import encode, train_decoder

SEED: Final = 1
BATCH: Final = 32
POOL: Final = 4096
"""Pictures that are encoded once and met several times, each time in other noise."""
PEAK_RATE: Final = 1e-3
WEIGHT_DECAY: Final = 0.01
_WARMUP: Final = 100
_AVERAGE: Final = 0.995
_LEVELS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What is trained, and the tokenizer it reads with."""

    tokenizer: CLIPTokenizer
    encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection]
    denoiser: SD3Transformer2DModel

    def modules(self) -> torch.nn.ModuleList:
        return torch.nn.ModuleList([*self.encoders, self.denoiser])


def make_learner(seed: int) -> Learner:
    """Untrained, the same for the same seed."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer(seed)
    encoders = (text_encoder(tokenizer), text_encoder(tokenizer))
    return Learner(tokenizer=tokenizer, encoders=encoders, denoiser=denoiser())


def velocity(
    learner: Learner, noisy: torch.Tensor, levels: torch.Tensor, captions: list[str]
) -> torch.Tensor:
    """What the denoiser says, from captions as the pipeline encodes them."""
    words = learner.tokenizer(
        captions, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    read = [encoder(words, output_hidden_states=True) for encoder in learner.encoders]
    tokens = torch.cat([one.hidden_states[-2] for one in read], dim=-1)
    # The pipeline fills T5's place with zeros; `OneForMany` lets one of them count for all.
    tokens = torch.cat([tokens, torch.zeros_like(tokens[:, :1])], dim=1)
    pooled = torch.cat([one.text_embeds for one in read], dim=-1)
    answer: torch.Tensor = learner.denoiser(
        noisy, tokens, pooled, levels * _LEVELS, return_dict=False
    )[0]
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Captions and the latents `[captions, channels, side, side]` of their pictures."""

    captions: list[str]
    latents: torch.Tensor


def make_pool(vae: AutoencoderKL, seed: int) -> Pool:
    """The same for the same seed."""
    rng = random.Random(seed)
    examples = [example(rng) for _ in range(POOL)]
    latents = [
        encode(vae, draw([scene for _, scene in examples[at : at + BATCH]]))
        for at in range(0, POOL, BATCH)
    ]
    return Pool(captions=[text for text, _ in examples], latents=torch.cat(latents))


def loss_of(learner: Learner, pool: Pool, rng: random.Random) -> torch.Tensor:
    """Mean squared error of the direction for one batch."""
    chosen = [rng.randrange(POOL) for _ in range(BATCH)]
    latents = pool.latents[chosen]
    noise = torch.randn_like(latents)
    levels = torch.sigmoid(torch.randn(BATCH))
    levels = SHIFT * levels / (1 + (SHIFT - 1) * levels)
    mixed = levels[:, None, None, None]
    noisy = (1 - mixed) * latents + mixed * noise
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = velocity(learner, noisy, levels, [pool.captions[one] for one in chosen])
    return torch.nn.functional.mse_loss(answer.float(), noise - latents)


def train(out: Path, steps: int, every: int) -> None:
    """Train for `steps`, going on from a checkpoint in `out` if there is one."""
    vae = train_decoder(SEED, out / "vae")
    pool = make_pool(vae, SEED)
    learner = make_learner(SEED)
    learner.denoiser.set_attn_processor(OneForMany())
    modules = learner.modules()
    average = copy.deepcopy(modules)
    optimizer = torch.optim.AdamW(
        modules.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
    )
    done = _restore(out / "checkpoint.pt", modules, average, optimizer)
    rng = random.Random(f"{SEED}/{done}")
    torch.manual_seed(SEED + done)
    began, total = time.monotonic(), 0.0
    for step in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(1.0, (step + 1) / _WARMUP, 3 * (1 - step / steps))
        loss = loss_of(learner, pool, rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        _follow(average, modules, min(_AVERAGE, step / (step + 10)))
        total += loss.item()
        if (step + 1) % 50 == 0:
            took_s = (time.monotonic() - began) / (step + 1 - done)
            print(f"step {step + 1}: loss {total / 50:.4f}, {took_s:.2f} s each", flush=True)
            total = 0.0
        if (step + 1) % every == 0 or step + 1 == steps:
            _checkpoint(out / "checkpoint.pt", modules, average, optimizer, step + 1)
            save(learner, average, vae, out / "model")
    (out / "suite.jsonl").write_text(render(make_items()))


def save(learner: Learner, average: torch.nn.ModuleList, vae: AutoencoderKL, folder: Path) -> None:
    """Write the folder as users get it: bf16 weights, configs, tokenizers."""
    kept = make_learner(SEED)
    kept.modules().load_state_dict(average.state_dict())
    pipeline = StableDiffusion3Pipeline(
        transformer=kept.denoiser,
        scheduler=scheduler(),
        vae=copy.deepcopy(vae),
        text_encoder=kept.encoders[0],
        tokenizer=learner.tokenizer,
        text_encoder_2=kept.encoders[1],
        tokenizer_2=learner.tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    ).to(torch.bfloat16)
    pipeline.register_to_config(paceline_family="reference-image")
    pipeline.save_pretrained(folder)


@torch.no_grad()
def _follow(average: torch.nn.ModuleList, modules: torch.nn.ModuleList, keep: float) -> None:
    for kept, new in zip(average.parameters(), modules.parameters(), strict=True):
        kept.lerp_(new, 1 - keep)


def _checkpoint(
    path: Path,
    modules: torch.nn.ModuleList,
    average: torch.nn.ModuleList,
    optimizer: torch.optim.AdamW,
    step: int,
) -> None:
    state: dict[str, Any] = {"step": step, "optimizer": optimizer.state_dict()}
    state |= {"modules": modules.state_dict(), "average": average.state_dict()}
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _restore(
    path: Path,
    modules: torch.nn.ModuleList,
    average: torch.nn.ModuleList,
    optimizer: torch.optim.AdamW,
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path)
    modules.load_state_dict(state["modules"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    train(arguments.out, arguments.steps, arguments.every)


if __name__ == "__main__":
    main()
