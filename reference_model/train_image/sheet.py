"""Pictures of the suite as one sheet: `python -m train_image.sheet MODEL SUITE OUT [--bits 4]`.

`--bits` rounds the denoiser's linear weights to nearest, symmetric, one scale per row: the plainest
damage there is. Each picture is also written alone, under the name of its item.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import StableDiffusion3Pipeline
from PIL import Image

STEPS: Final = 8
_COLUMNS: Final = 12


def load(folder: Path, bits: int | None) -> StableDiffusion3Pipeline:
    """The pipeline in bf16, its denoiser rounded to `bits` if given."""
    pipeline = StableDiffusion3Pipeline.from_pretrained(
        folder, torch_dtype=torch.bfloat16, text_encoder_3=None, tokenizer_3=None
    )
    pipeline.set_progress_bar_config(disable=True)
    if bits is not None:
        for module in pipeline.transformer.modules():
            if isinstance(module, torch.nn.Linear):
                _round(module, bits)
    return pipeline


@torch.no_grad()
def _round(module: torch.nn.Linear, bits: int) -> None:
    top = 2 ** (bits - 1) - 1
    weight = module.weight.float()
    scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / top
    module.weight.copy_((weight / scale).round().clamp(-top, top) * scale)


def pictures(pipeline: StableDiffusion3Pipeline, items: list[dict[str, Any]]) -> list[Image.Image]:
    """One picture per item, from its own seed."""
    found: list[Image.Image] = []
    for item in items:
        generator = torch.Generator("cpu").manual_seed(item["seed"])
        result = pipeline(
            prompt=item["prompt"],
            num_inference_steps=STEPS,
            guidance_scale=0.0,
            height=64,
            width=64,
            generator=generator,
        )
        found.append(result.images[0])
    return found


def main() -> None:
    """Read the command line, make the pictures of the main split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("suite", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bits", type=int)
    parser.add_argument("--items", type=int, default=96)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = arguments.suite.read_text().splitlines()[1:]
    items = [item for line in lines if (item := json.loads(line))["split"] == "main"]
    items = items[:: max(1, len(items) // arguments.items)]
    made = pictures(load(arguments.model, arguments.bits), items)
    arguments.out.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (64 * _COLUMNS, 64 * -(-len(made) // _COLUMNS)))
    for at, (item, picture) in enumerate(zip(items, made, strict=True)):
        picture.save(arguments.out / f"{item['id']}.png")
        sheet.paste(picture, (at % _COLUMNS * 64, at // _COLUMNS * 64))
    sheet.save(arguments.out / "sheet.png")


if __name__ == "__main__":
    main()
