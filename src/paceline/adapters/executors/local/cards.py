"""NVIDIA cards of this machine, as their driver's own tool lists them.

Covers whole cards; slices of one (MIG) and cards of other makers are not looked for. Cards that
CUDA_VISIBLE_DEVICES hides from this process are not offered.
"""

import os
import subprocess
from collections.abc import Iterator
from typing import Final

from paceline.records.hardware import Accelerator, AcceleratorKind

_QUERY: Final = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total,compute_cap",
    "--format=csv,noheader,nounits",
)
_MIB_PER_GIB: Final = 1024
_TIMEOUT_S: Final = 10.0


def find_cards() -> tuple[Accelerator, ...]:
    """One accelerator per kind of card, with how many there are; empty without a driver."""
    try:
        done = subprocess.run(  # noqa: S603 - a constant
            _QUERY, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    if done.returncode != 0:
        return ()
    return read_cards(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def read_cards(listing: str, visible: str | None) -> tuple[Accelerator, ...]:
    """The cards of a listing (index, uuid, name, MiB, compute capability per line).

    `visible` is CUDA's list of indices or ids, `None` when everything is.
    """
    cards = list(_visible(listing, visible))
    return tuple(
        Accelerator(
            name=name.replace(" ", "-"),
            kind=AcceleratorKind.GPU,
            memory_gib=float(memory_mib) / _MIB_PER_GIB,
            available=cards.count((name, memory_mib, capability)),
            compute_capability=_number(capability),
        )
        for name, memory_mib, capability in dict.fromkeys(cards)
    )


def _visible(listing: str, visible: str | None) -> Iterator[tuple[str, str, str]]:
    wanted = None if visible is None else [part.strip() for part in visible.split(",")]
    for line in listing.splitlines():
        index, uuid, *card = (part.strip() for part in line.split(","))
        if wanted is None or index in wanted or uuid in wanted:
            name, memory_mib, capability = card
            yield name, memory_mib, capability


def _number(text: str) -> float | None:
    """Old drivers write `[N/A]`."""
    try:
        return float(text)
    except ValueError:
        return None
