"""Which devices a replica gets: those with the fewest replicas, neighbours where it needs several.

Free devices come first. Where none is free a device is shared, because a rolling redeploy on a
machine with one card needs the new replica beside the old one.
"""

from collections.abc import Mapping, Sequence

from paceline.records.placement import Device, Placement


def place(
    devices: Sequence[Device], held: Mapping[str, int], *, accelerator: str, count: int
) -> Placement | None:
    """Choose `count` devices of one type; `None` where the machine tells none of it apart.

    `held` counts replicas by device. A placement without devices says why there is none.
    """
    ids = [one.device_id for one in devices if one.accelerator == accelerator]
    if not ids:
        return None
    if len(ids) < count:
        have = f"this machine has {len(ids)}"
        return Placement(devices=(), because=f"{count} x {accelerator} are needed, {have}")
    runs = [tuple(ids[first : first + count]) for first in range(len(ids) - count + 1)]
    best = min(runs, key=lambda run: _load(run, held))
    scattered = tuple(sorted(ids, key=lambda one: held.get(one, 0))[:count])
    if _load(scattered, held) < _load(best, held):  # free ones that are no neighbours
        best = tuple(one for one in ids if one in scattered)
    shared = [one for one in best if held.get(one, 0)]
    because = f"device {', '.join(best)}"
    if shared:
        because += f"; {', '.join(shared)} shared, none is free"
    return Placement(devices=best, because=because)


def _load(run: Sequence[str], held: Mapping[str, int]) -> tuple[int, int]:
    """The busiest of them, then all together."""
    counts = [held.get(one, 0) for one in run]
    return max(counts), sum(counts)
