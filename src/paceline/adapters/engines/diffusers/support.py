"""What the image server loads where: Diffusers 0.42 with torchao 0.18 on PyTorch 2.13."""

from typing import Final

from paceline.records.hardware import AcceleratorKind
from paceline.records.support import Support

_CUDA: Final = "CUDA C++ Programming Guide, table of arithmetic by compute capability"
_TORCHAO: Final = "torchao 0.18, quantization/quant_api.py"

SUPPORT: Final = (
    Support(
        format="bf16",
        kind=AcceleratorKind.CPU,
        source="PyTorch 2.13: bfloat16 on every processor, fast with AVX-512 BF16 or AMX",
    ),
    Support(format="bf16", kind=AcceleratorKind.GPU, from_capability=8.0, source=_CUDA),
    Support(
        format="fp16",
        kind=AcceleratorKind.CPU,
        why_not="half precision is emulated on processors: slower than bf16 and no smaller",
        source="PyTorch 2.13, aten/src/ATen/native/cpu",
    ),
    Support(format="fp16", kind=AcceleratorKind.GPU, from_capability=5.3, source=_CUDA),
    Support(
        format="fp8",
        kind=AcceleratorKind.CPU,
        why_not="torchao multiplies in fp8 on cards only",
        source=_TORCHAO,
    ),
    Support(
        # Ampere (8.0, 8.6) has no FP8 arithmetic: weights in 8 bits would be widened at every use.
        format="fp8",
        kind=AcceleratorKind.GPU,
        from_capability=8.9,
        source=f"{_TORCHAO}: Float8DynamicActivationFloat8WeightConfig",
    ),
    Support(
        format="int8",
        kind=AcceleratorKind.CPU,
        source=f"{_TORCHAO}: Int8DynamicActivationInt8WeightConfig",
    ),
    Support(
        format="int8",
        kind=AcceleratorKind.GPU,
        why_not="measured nowhere yet: fp8 is the 8-bit format of cards that have it",
        source=f"{_TORCHAO}: Int8DynamicActivationInt8WeightConfig",
    ),
)
