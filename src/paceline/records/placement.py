"""Single devices of a machine, and which of them a replica was given."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One card. `device_id` is what its executor calls it, `accelerator` the type that it is."""

    device_id: str
    accelerator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The devices for one replica, with the reason; `devices` is empty when there are none."""

    devices: tuple[str, ...]
    because: str
