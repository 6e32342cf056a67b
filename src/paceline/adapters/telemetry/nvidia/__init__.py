"""NVIDIA devices of this machine, through NVML."""

from paceline.adapters.telemetry.nvidia.source import Nvidia

__all__ = ["Nvidia"]
