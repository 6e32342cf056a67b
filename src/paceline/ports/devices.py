"""What an executor can do that tells the devices of one machine apart."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from paceline.records.launch import LaunchSpec
from paceline.records.placement import Device


@runtime_checkable
class HasDevices(Protocol):
    """An executor whose processes can be given some of several equal devices."""

    def devices(self) -> tuple[Device, ...]:
        """All that processes can be given, in the machine's order; a processor is none of them."""
        ...

    def confined(self, spec: LaunchSpec, devices: Sequence[str]) -> LaunchSpec:
        """The same launch, which sees these devices only, in this order."""
        ...
