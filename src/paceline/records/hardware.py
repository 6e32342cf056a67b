"""An accelerator that variants can run on, as found or as offered."""

from dataclasses import dataclass
from enum import StrEnum
from math import isclose
from typing import Final

SAME_MEMORY: Final = 0.01
"""Shares of the memory by which two fingerprints of one machine differ: kernels keep some."""


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
    engine_cores: tuple[int, ...] = ()
    """The cores that an engine is kept to in a trial, as the kernel numbers them; empty: any."""

    @property
    def threads(self) -> int:
        """How many threads an engine should compute with."""
        return len(self.engine_cores) or self.cores or 1

    @property
    def told_by_name(self) -> bool:
        """Whether its name says what hardware it is; every processor is called `cpu`."""
        return self.kind is not AcceleratorKind.CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFingerprint:
    """What a machine is and the state it is in, as far as readable; `None` where it is not.

    `usable_cores` are those this process may run on (affinity and container quota), which can be
    fewer than `logical_cores` and a fraction. Names of people and machines are left out: receipts
    are meant to be shown around.
    """

    os: str
    kernel: str
    architecture: str
    cpu_model: str | None
    cpu_features: tuple[str, ...]
    """Instruction sets that engines choose their kernels by, sorted."""
    microcode: str | None
    physical_cores: int | None
    logical_cores: int
    usable_cores: float
    numa_nodes: int | None
    memory_gib: float
    memory_limit_gib: float | None
    """What a container may use, when that is less than the machine has."""
    hypervisor: str | None
    """`None` on bare metal or when it cannot be told."""
    governor: str | None
    """Of frequency scaling; several, sorted and joined by commas, when cores differ."""
    frequency_min_mhz: float | None
    frequency_max_mhz: float | None
    turbo: bool | None
    on_battery: bool | None
    huge_pages: str | None
    """Transparent huge pages: `always`, `madvise` or `never`."""

    def is_like(self, other: "HostFingerprint") -> bool:
        """Whether processor, cores and memory are the same: what is measured on one holds on the
        other, but for the state that the machine was in."""
        return (
            self.architecture == other.architecture
            and self.cpu_model == other.cpu_model
            and self.usable_cores == other.usable_cores
            and isclose(self.memory_gib, other.memory_gib, rel_tol=SAME_MEMORY)
        )

    def change_since(self, earlier: "HostFingerprint") -> str | None:
        """What makes figures of the two incomparable, with both sides; `None` for nothing."""
        for name in ("cpu_model", "usable_cores", "memory_gib", "kernel", "governor"):
            was, is_now = getattr(earlier, name), getattr(self, name)
            if was != is_now:
                return f"the machine has changed: {name} was {was}, is {is_now}"
        return None
