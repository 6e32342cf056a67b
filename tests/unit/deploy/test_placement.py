from collections.abc import Mapping

import pytest

from paceline.deploy.placement import place
from paceline.records.placement import Device

DEVICES = tuple(
    Device(device_id=str(number), accelerator="L4" if number < 4 else "H200") for number in range(6)
)


def chosen(held: Mapping[str, int], count: int = 1, accelerator: str = "L4") -> tuple[str, ...]:
    found = place(DEVICES, held, accelerator=accelerator, count=count)
    assert found is not None
    return found.devices


@pytest.mark.parametrize(
    ("held", "count", "devices"),
    [
        ({}, 1, ("0",)),
        ({"0": 1}, 1, ("1",)),
        ({"0": 2, "1": 1, "2": 1, "3": 2}, 1, ("1",)),
        ({}, 2, ("0", "1")),
        ({"0": 1}, 2, ("1", "2")),
        ({"1": 1}, 2, ("2", "3")),
        ({"1": 1, "2": 1}, 2, ("0", "3")),
        ({"0": 1}, 4, ("0", "1", "2", "3")),
    ],
)
def test_free_devices_come_first_and_neighbours_before_others(
    held: Mapping[str, int], count: int, devices: tuple[str, ...]
) -> None:
    assert chosen(held, count) == devices


def test_only_devices_of_the_measured_type_are_given() -> None:
    assert chosen({"0": 1, "1": 1, "2": 1, "3": 1}, accelerator="H200") == ("4",)
    assert place(DEVICES, {}, accelerator="cpu", count=1) is None


def test_a_shared_device_is_told() -> None:
    found = place(DEVICES, {"4": 1, "5": 1}, accelerator="H200", count=1)
    assert found is not None
    assert found.because == "device 4; 4 shared, none is free"


def test_more_than_there_are_is_refused_with_both_numbers() -> None:
    found = place(DEVICES, {}, accelerator="H200", count=4)
    assert found is not None
    assert (found.devices, found.because) == ((), "4 x H200 are needed, this machine has 2")


def test_replicas_spread_evenly_over_all_devices() -> None:
    held: dict[str, int] = {}
    for _ in range(12):
        for device in chosen(held):
            held[device] = held.get(device, 0) + 1
    assert held == {"0": 3, "1": 3, "2": 3, "3": 3}
