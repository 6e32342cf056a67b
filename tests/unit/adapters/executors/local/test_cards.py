"""Cards as the driver's tool lists them (nvidia-smi 580, the columns of the query)."""

from pathlib import Path

import pytest

from paceline.adapters.executors.local.cards import (
    find_cards,
    find_devices,
    only,
    read_cards,
    read_devices,
)
from paceline.records.hardware import AcceleratorKind
from paceline.records.placement import Device

LISTING = """\
0, GPU-aaaa, NVIDIA H200, 143771, 9.0
1, GPU-bbbb, NVIDIA H200, 143771, 9.0
2, GPU-cccc, NVIDIA L4, 23034, 8.9
"""


def test_equal_cards_are_one_accelerator_with_a_count() -> None:
    h200, l4 = read_cards(LISTING, None)
    assert (h200.name, h200.kind, h200.available) == ("NVIDIA-H200", AcceleratorKind.GPU, 2)
    assert (h200.memory_gib, h200.compute_capability) == (143771 / 1024, 9.0)
    assert (l4.name, l4.available) == ("NVIDIA-L4", 1)


def test_hidden_cards_are_not_offered() -> None:
    assert [(c.name, c.available) for c in read_cards(LISTING, "1,2")] == [
        ("NVIDIA-H200", 1),
        ("NVIDIA-L4", 1),
    ]
    assert [c.name for c in read_cards(LISTING, "GPU-cccc")] == ["NVIDIA-L4"]
    assert read_cards(LISTING, "") == ()


def test_every_card_is_a_device_by_its_index_on_the_bus() -> None:
    assert read_devices(LISTING, "2,GPU-aaaa") == (
        Device(device_id="0", accelerator="NVIDIA-H200"),
        Device(device_id="2", accelerator="NVIDIA-L4"),
    )
    assert only(["0", "2"]) == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "0,2",
    }


def test_an_unknown_capability_stays_unknown() -> None:
    (card,) = read_cards("0, GPU-a, Tesla K80, 11441, [N/A]\n", None)
    assert card.compute_capability is None


def test_without_the_tool_or_its_driver_there_are_no_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_cards() == ()
    assert find_devices() == ()
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'has failed because it could not talk to the driver'\nexit 9\n"
    )
    tool.chmod(0o755)
    assert find_cards() == ()
