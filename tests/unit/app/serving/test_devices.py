"""Who may use a device beside whom."""

import os
from pathlib import Path

import pytest

from paceline.app.serving.devices import DeviceLock, measuring_alone
from paceline.errors import CapacityError, Code


def test_replicas_share_and_an_optimization_does_not(tmp_path: Path) -> None:
    one, other = DeviceLock(tmp_path, "cpu"), DeviceLock(tmp_path, "cpu")
    assert one.hold_shared()
    assert other.hold_shared()
    with pytest.raises(CapacityError) as caught, measuring_alone(tmp_path, ["cpu"], share=False):
        pass
    assert caught.value.code is Code.DEVICE_BUSY
    assert "--share-device" in caught.value.fix
    assert f"`paceline serve`, with a replica on it (process {os.getpid()}) has" in caught.value.why
    with (
        measuring_alone(tmp_path, ["cpu"], share=True),
        measuring_alone(tmp_path, ["gpu"], share=False),
    ):
        assert one.hold_shared(), "what is held is held"
    one.release()
    other.release()
    with measuring_alone(tmp_path, ["cpu"], share=False):
        assert not one.hold_shared()
        assert one.holder() == f"a measurement (process {os.getpid()})"
    assert one.hold_shared()
    one.release()


def test_two_optimizations_do_not_measure_at_once(tmp_path: Path) -> None:
    with (
        measuring_alone(tmp_path, ["cpu"], share=False),
        pytest.raises(CapacityError),
        measuring_alone(tmp_path, ["cpu"], share=False),
    ):
        pass


def test_what_was_held_before_a_refusal_is_let_go(tmp_path: Path) -> None:
    busy = DeviceLock(tmp_path, "gpu")
    assert busy.hold_shared()
    with pytest.raises(CapacityError), measuring_alone(tmp_path, ["cpu", "gpu"], share=False):
        pass
    with measuring_alone(tmp_path, ["cpu"], share=False):
        busy.release()
