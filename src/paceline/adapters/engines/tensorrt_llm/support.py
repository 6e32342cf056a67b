"""What TensorRT-LLM 1.2 loads where, from NVIDIA's documents; none of it was run by us."""

from typing import Final

from paceline.records.hardware import AcceleratorKind
from paceline.records.support import Support

_ENGINE: Final = "TensorRT-LLM 1.2 documentation, quantization"
_FORMATS: Final = "NVIDIA Model Optimizer documentation, support matrix (2026): "
_SOURCES: Final = {
    "bf16": (8.0, "TensorRT-LLM 1.2 documentation, support matrix: Ampere and later"),
    "fp16": (8.0, "TensorRT-LLM 1.2 documentation, support matrix: Ampere and later"),
    "fp8": (8.9, f"{_FORMATS}FP8 on Ada and later"),
    "nvfp4": (10.0, f"{_FORMATS}FP4 on Blackwell and later"),
    "awq-4": (8.0, f"{_FORMATS}W4A16 on Ampere and later"),
    "gptq-4": (8.0, f"{_ENGINE}: W4A16 GPTQ; {_FORMATS}W4A16 on Ampere and later"),
}
"""Format → compute capability from which on it is supported, and where that is written."""

SUPPORT: Final = tuple(
    row
    for format_, (capability, source) in _SOURCES.items()
    for row in (
        Support(
            format=format_,
            kind=AcceleratorKind.CPU,
            why_not="TensorRT-LLM runs on NVIDIA cards only",
            source="TensorRT-LLM 1.2 documentation, support matrix",
        ),
        Support(
            format=format_,
            kind=AcceleratorKind.GPU,
            from_capability=capability,
            source=source,
        ),
    )
)
MADE_HERE: Final = ("bf16", "fp16")
"""Loaded from unquantized weights; the others need a checkpoint that a quantizer made."""
