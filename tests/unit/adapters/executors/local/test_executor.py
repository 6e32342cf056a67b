from paceline.adapters.executors.local import LocalExecutor
from paceline.ports.devices import HasDevices
from paceline.records.launch import LaunchSpec


def test_a_launch_sees_only_the_cards_it_was_given() -> None:
    executor = LocalExecutor()
    assert isinstance(executor, HasDevices)
    spec = LaunchSpec(
        argv=("engine",),
        env={"OWN": "1", "CUDA_VISIBLE_DEVICES": "7"},
        port=1,
        ready_path="/health",
        model_name="m",
        grace_s=1.0,
        ready_timeout_s=1.0,
    )
    assert executor.confined(spec, ("2", "0")).env == {
        "OWN": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "2,0",
    }
