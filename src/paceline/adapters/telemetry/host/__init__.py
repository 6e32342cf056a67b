"""Processor time, memory and, where readable, energy of this machine."""

from paceline.adapters.telemetry.host.source import Host

__all__ = ["Host"]
