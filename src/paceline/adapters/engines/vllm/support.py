"""What vLLM 0.32 loads where; file names are those of its source tree.

Compute capabilities are what its quantization methods and kernels themselves ask for. Formats are
named as checkpoints are found and made: `gptq-4` and `awq-4` are weights in 4 bits with 16-bit
arithmetic, `w8a8` is int8 for both.
"""

from typing import Final

from paceline.records.hardware import AcceleratorKind
from paceline.records.model import Model
from paceline.records.support import Support

_CPU: Final = AcceleratorKind.CPU
_GPU: Final = AcceleratorKind.GPU
_KERNELS: Final = "vLLM 0.32, model_executor/kernels/linear"
_SCHEMES: Final = (
    "vLLM 0.32, model_executor/layers/quantization/compressed_tensors/schemes/compressed_tensors_"
)
_METHODS: Final = "vLLM 0.32, model_executor/layers/quantization/"
_WEIGHTS_ONLY_4: Final = f"{_KERNELS}/mixed_precision/cpu.py: uint4 and uint4b8"

SUPPORT: Final = (
    Support(format="bf16", kind=_CPU, source="vLLM 0.32, platforms/cpu.py: supported_dtypes"),
    Support(
        format="bf16",
        kind=_GPU,
        from_capability=8.0,
        source="vLLM 0.32, platforms/cuda.py: check_if_supports_dtype",
    ),
    Support(
        format="fp16",
        kind=_CPU,
        why_not="as large as bf16, with a smaller range and no faster arithmetic on processors",
        source="vLLM 0.32, platforms/cpu.py: supported_dtypes",
    ),
    Support(
        format="fp16",
        kind=_GPU,
        from_capability=6.0,
        source="vLLM 0.32, platforms/cuda.py: supported_dtypes",
    ),
    Support(
        format="w8a8",
        kind=_CPU,
        source=f"{_KERNELS}/scaled_mm/cpu.py: CPUInt8ScaledMMLinearKernel",
    ),
    Support(format="w8a8", kind=_GPU, from_capability=7.5, source=f"{_SCHEMES}w8a8_int8.py"),
    Support(format="gptq-4", kind=_CPU, source=_WEIGHTS_ONLY_4),
    Support(format="gptq-4", kind=_GPU, from_capability=7.5, source=f"{_SCHEMES}wNa16.py"),
    Support(format="awq-4", kind=_CPU, source=_WEIGHTS_ONLY_4),
    Support(format="awq-4", kind=_GPU, from_capability=7.5, source=f"{_METHODS}auto_awq.py"),
    Support(format="w4a16", kind=_CPU, source=_WEIGHTS_ONLY_4),
    Support(format="w4a16", kind=_GPU, from_capability=7.5, source=f"{_SCHEMES}wNa16.py"),
    Support(
        format="gptq-8",
        kind=_CPU,
        why_not="no kernel for 8-bit weights with 16-bit arithmetic on processors",
        source=_WEIGHTS_ONLY_4,
    ),
    Support(format="gptq-8", kind=_GPU, from_capability=7.5, source=f"{_SCHEMES}wNa16.py"),
    Support(
        format="gptq-3",
        kind=_CPU,
        why_not="no kernel for 3-bit weights on processors",
        source=_WEIGHTS_ONLY_4,
    ),
    Support(
        format="gptq-3",
        kind=_GPU,
        from_capability=7.5,
        source=f"{_KERNELS}/mixed_precision/humming.py",
    ),
    Support(
        # Without these it starts all the same and has PyTorch emulate every product: 20 to 50 times
        # slower than bf16 on a Zen 5 (2026-11).
        format="fp8",
        kind=_CPU,
        features=("amx_fp8",),
        source=f"{_KERNELS}/scaled_mm/cpu.py: CPUFP8W8A8ScaledMMLinearKernel",
    ),
    Support(format="fp8", kind=_GPU, from_capability=8.9, source=f"{_SCHEMES}w8a8_fp8.py"),
    Support(
        format="fp8-static",
        kind=_CPU,
        features=("amx_tile",),
        source=f"{_KERNELS}/scaled_mm/cpu.py: CPUFp8PerTensorScaledMMLinearKernel",
    ),
    Support(format="fp8-static", kind=_GPU, from_capability=8.9, source=f"{_SCHEMES}w8a8_fp8.py"),
    Support(
        format="nvfp4",
        kind=_CPU,
        why_not="no kernel for 4-bit floats on processors",
        source=f"{_KERNELS}/__init__.py: _POSSIBLE_NVFP4_KERNELS",
    ),
    Support(format="nvfp4", kind=_GPU, from_capability=7.5, source=f"{_SCHEMES}w4a4_nvfp4.py"),
    Support(
        format="mxfp4",
        kind=_CPU,
        why_not="no kernel for 4-bit floats on processors",
        source=f"{_KERNELS}/__init__.py: _POSSIBLE_MXFP4_KERNELS",
    ),
    Support(format="mxfp4", kind=_GPU, from_capability=8.0, source=f"{_METHODS}mxfp4.py"),
)

MADE_HERE: Final = ("bf16", "fp16", "fp8")
"""Loaded from unquantized weights; the others need a checkpoint that a quantizer made."""

# As `hub` names the format of weights that it finds; floats are converted while loading.
_FOUND: Final = {
    "int8": "w8a8",
    "int4": "w4a16",
    "int8-weight-only": "gptq-8",
    "gptq": "gptq-4",
    "gptq-3bit": "gptq-3",
    "awq": "awq-4",
}
_FLOATS: Final = ("bf16", "fp16", "fp32")


def format_of(model: Model) -> str | None:
    """The one format that a quantized model can be served in, `None` for unquantized weights."""
    return None if model.format in _FLOATS else _FOUND.get(model.format, model.format)
