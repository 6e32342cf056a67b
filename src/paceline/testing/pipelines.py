"""Folders of image pipelines in miniature, in the layout of Diffusers."""

import json
from collections.abc import Mapping
from pathlib import Path

from paceline.testing.hubs import write_safetensors

Configs = Mapping[str, Mapping[str, object]]

DENOISER = {"blocks.0.weight": (8, 8), "blocks.0.bias": (8,)}
ENCODER = {"layers.0.weight": (4, 4)}
DECODER = {"up.weight": (2, 3)}
PARAMETERS = 72 + 16 + 6
SMALL: Configs = {
    "transformer": {
        "num_attention_heads": 2,
        "attention_head_dim": 4,
        "num_layers": 1,
        "num_single_layers": 1,
    },
    "text_encoder": {
        "hidden_size": 4,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "vocab_size": 8,
    },
}
"""Configs that a plan can be made from."""
CLASSES = {
    "FluxPipeline": ("transformer", "FluxTransformer2DModel"),
    "StableDiffusion3Pipeline": ("transformer", "SD3Transformer2DModel"),
    "StableDiffusionXLPipeline": ("unet", "UNet2DConditionModel"),
}


def write_pipeline(
    folder: Path,
    class_name: str = "FluxPipeline",
    *,
    configs: Configs | None = None,
    **index: object,
) -> Path:
    """A complete pipeline of zeros; `configs` adds to the config of a component."""
    denoiser, denoiser_class = CLASSES[class_name]
    stated = configs or {}
    named = {
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        denoiser: ["diffusers", denoiser_class],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    document = {"_class_name": class_name, **named, "feature_extractor": [None, None], **index}
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(document))
    for name in named:
        (folder / name).mkdir()
        config = "scheduler_config.json" if name == "scheduler" else "config.json"
        (folder / name / config).write_text(json.dumps(stated.get(name, {})))
    (folder / "tokenizer/vocab.json").write_text("{}")
    write_safetensors(folder / "text_encoder/model.safetensors", ENCODER)
    for name, shapes in ((denoiser, DENOISER), ("vae", DECODER)):
        write_safetensors(folder / name / "diffusion_pytorch_model.safetensors", shapes)
    return folder
