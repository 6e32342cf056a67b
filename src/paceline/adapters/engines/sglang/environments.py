"""What is installed for SGLang: all of it beside an NVIDIA driver, else what its parser needs.

Without a card nothing can be served, and yet command lines can be checked: the argument parser
imports without SGLang's kernels.
"""

from pathlib import Path
from typing import Final

from paceline.records.launch import EnvironmentSpec

VERSION: Final = "0.5.23"
DRIVER: Final = Path("/proc/driver/nvidia/version")
_KERNELS: Final = (
    *("cuda-python", "flash-attn-4", "flashinfer-python", "humming-kernels"),
    *("nvidia-cutlass-dsl", "nvidia-mathdx", "nvshmem4py-cu13", "quack-kernels"),
    *("sgl-deep-ep", "sgl-deep-gemm", "sgl-flash-mla", "sglang-kernel", "tilelang"),
    *("timm", "torchaudio", "torchcodec", "torchvision"),
)
CUDA: Final = EnvironmentSpec(name="sglang", requirements=(f"sglang=={VERSION}",), program="sglang")
PARSER_ONLY: Final = EnvironmentSpec(
    name="sglang",
    requirements=("torch==2.13.0", f"sglang=={VERSION}", "triton==3.9.0"),
    overrides=("torch==2.13.0", *(f"{name}; sys_platform == 'never'" for name in _KERNELS)),
    program="sglang",
)


def driver_version(driver: Path = DRIVER) -> str | None:
    """The loaded NVIDIA driver in its own words, `None` without one."""
    if not driver.is_file():
        return None
    return driver.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
