"""NVIDIA cards of this machine, as their driver's own tool lists them.

Covers whole cards; slices of one (MIG) and cards of other makers are not looked for. Cards that
CUDA_VISIBLE_DEVICES hides from this process are not offered.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final

from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.placement import Device

_QUERY: Final = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total,compute_cap",
    "--format=csv,noheader,nounits",
)
_MIB_PER_GIB: Final = 1024
_TIMEOUT_S: Final = 10.0


def find_cards() -> tuple[Accelerator, ...]:
    """One accelerator per kind of card, with how many there are; empty without a driver."""
    return read_cards(_listing(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def find_devices() -> tuple[Device, ...]:
    """Every card by its index on the bus; empty without a driver."""
    return read_devices(_listing(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def only(devices: Sequence[str]) -> dict[str, str]:
    """The environment in which CUDA has these cards; by default its indices go by speed."""
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(devices)}


def _listing() -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a constant
            _QUERY, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def read_cards(listing: str, visible: str | None) -> tuple[Accelerator, ...]:
    """The cards of a listing (index, uuid, name, MiB, compute capability per line).

    `visible` is CUDA's list of indices or ids, `None` when everything is.
    """
    cards = [card for _, card in _visible(listing, visible)]
    return tuple(
        Accelerator(
            name=_accelerator(name),
            kind=AcceleratorKind.GPU,
            memory_gib=float(memory_mib) / _MIB_PER_GIB,
            available=cards.count((name, memory_mib, capability)),
            compute_capability=_number(capability),
        )
        for name, memory_mib, capability in dict.fromkeys(cards)
    )


def read_devices(listing: str, visible: str | None) -> tuple[Device, ...]:
    """The same cards one by one."""
    return tuple(
        Device(device_id=index, accelerator=_accelerator(name))
        for index, (name, _, _) in _visible(listing, visible)
    )


def _accelerator(name: str) -> str:
    return name.replace(" ", "-")


def _visible(listing: str, visible: str | None) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Index and name, memory, capability."""
    wanted = None if visible is None else [part.strip() for part in visible.split(",")]
    for line in listing.splitlines():
        index, uuid, *card = (part.strip() for part in line.split(","))
        if wanted is None or index in wanted or uuid in wanted:
            name, memory_mib, capability = card
            yield index, (name, memory_mib, capability)


def _number(text: str) -> float | None:
    """Old drivers write `[N/A]`."""
    try:
        return float(text)
    except ValueError:
        return None
