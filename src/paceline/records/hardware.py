"""An accelerator that variants can run on, as found or as offered."""

from dataclasses import dataclass
from enum import StrEnum


class AcceleratorKind(StrEnum):
    """What executes the model."""

    CPU = "cpu"
    GPU = "gpu"
    TPU = "tpu"
    NPU = "npu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One accelerator type at one place.

    `memory_gib` is what one device has for a model (for a CPU: the machine's memory);
    `available` counts the devices an executor can hand out.
    """

    name: str
    kind: AcceleratorKind
    memory_gib: float
    available: int
    cores: int | None = None
    compute_capability: float | None = None
    features: tuple[str, ...] = ()
    """Instruction sets or native types, e.g. `avx512_bf16`, `fp8`."""
