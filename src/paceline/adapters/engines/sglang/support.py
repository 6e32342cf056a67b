"""What SGLang 0.5.23 loads where; file names are those of its source tree."""

from typing import Final

from paceline.records.hardware import AcceleratorKind
from paceline.records.support import Support

_QUANTIZATION: Final = "SGLang 0.5.23, srt/layers/quantization/"
_SCHEMES: Final = f"{_QUANTIZATION}compressed_tensors/schemes/compressed_tensors_"
_SOURCES: Final = {
    "bf16": (8.0, "SGLang 0.5.23, srt/model_executor/model_runner_components/load_model_utils.py"),
    "fp16": (7.5, "SGLang 0.5.23, srt/model_executor/model_runner_components/load_model_utils.py"),
    "fp8": (8.9, f"{_SCHEMES}w8a8_fp8.py"),
    "fp8-static": (8.9, f"{_SCHEMES}w8a8_fp8.py"),
    "w8a8": (8.0, f"{_SCHEMES}w8a8_int8.py"),
    "gptq-4": (8.0, f"{_SCHEMES}wNa16.py"),
    "gptq-8": (8.0, f"{_SCHEMES}wNa16.py"),
    "awq-4": (8.0, f"{_SCHEMES}wNa16.py"),
    "w4a16": (8.0, f"{_SCHEMES}wNa16.py"),
    "nvfp4": (10.0, f"{_SCHEMES}w4a4_nvfp4.py"),
    "mxfp4": (8.0, f"{_QUANTIZATION}mxfp4.py"),
}
"""Format → compute capability from which on there is a kernel, and where it is written."""

_NO_CPU: Final = "its kernels for processors are in no wheel, and need AMX (as of 2026-11)"

SUPPORT: Final = tuple(
    row
    for format_, (capability, source) in _SOURCES.items()
    for row in (
        Support(
            format=format_,
            kind=AcceleratorKind.CPU,
            why_not=_NO_CPU,
            source="SGLang 0.5.23, wheels on PyPI: sglang-kernel is CUDA only",
        ),
        Support(
            format=format_,
            kind=AcceleratorKind.GPU,
            from_capability=capability,
            source=source,
        ),
    )
)
MADE_HERE: Final = ("bf16", "fp16", "fp8")
"""Loaded from unquantized weights; the others need a checkpoint that a quantizer made."""
