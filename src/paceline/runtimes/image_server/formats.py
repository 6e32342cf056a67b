"""The 8-bit formats, made while loading with torchao; what became of each layer is read back."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import torch
from torchao.quantization import (
    Float8DynamicActivationFloat8WeightConfig,
    Float8Tensor,
    Int8DynamicActivationInt8WeightConfig,
    Int8Tensor,
    PerRow,
    quantize_,
)

from paceline.runtimes.image_server.compiled import repeated_blocks
from paceline.runtimes.image_server.starting import Unservable

# First generation with FP8 arithmetic (Ada). Ampere (8.0, 8.6) would widen each weight at each use.
_FP8_CAPABILITY: Final = (8, 9)
_KERNEL_MULTIPLE: Final = 16
"""Rows and columns that the 8-bit kernels take (torch._scaled_mm, torch._int_mm)."""
_KINDS: Final = {Float8Tensor: "fp8", Int8Tensor: "int8"}


def quantize(denoiser: Any, format_: str, *, device: str) -> None:
    """Replace the weights of the linear layers in the repeated blocks.

    What is outside the blocks (embeddings, the last projection) is small and loses most: it stays.
    Raises Unservable where there is no kernel for the format.
    """
    config = _config(format_, device)
    inside = {
        module
        for block in repeated_blocks(denoiser)
        for module in block.modules()
        if isinstance(module, torch.nn.Linear)
        and not (module.in_features % _KERNEL_MULTIPLE or module.out_features % _KERNEL_MULTIPLE)
    }
    quantize_(
        denoiser,
        config,
        filter_fn=lambda module, _name: module in inside,
        # Layer by layer on the card, so that it never holds the 16-bit weights of all.
        device=None if device == "cpu" else device,
    )


def quantized(denoiser: Any) -> dict[str, int]:
    """Linear layers by what their weights became: `{"int8 dynamic": 57}`."""
    found: Counter[str] = Counter()
    for module in denoiser.modules():
        if isinstance(module, torch.nn.Linear):
            kind = _KINDS.get(type(module.weight))
            if kind is not None:
                dynamic = module.weight.act_quant_kwargs is not None
                found[f"{kind} {'dynamic' if dynamic else 'weights'}"] += 1
    return dict(found)


def _config(format_: str, device: str) -> Any:
    if format_ == "int8":
        if device != "cpu":
            raise Unservable("int8 runs on processors here; on cards fp8 is the 8-bit format")
        return Int8DynamicActivationInt8WeightConfig()
    if device != "cuda":
        raise Unservable(f"fp8 is multiplied on cards only, not on a {device}")
    has = torch.cuda.get_device_capability()
    if has < _FP8_CAPABILITY:
        raise Unservable(
            f"fp8 needs compute capability {_dotted(_FP8_CAPABILITY)}, "
            f"{torch.cuda.get_device_name()} has {_dotted(has)}: no FP8 arithmetic before Ada"
        )
    return Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
