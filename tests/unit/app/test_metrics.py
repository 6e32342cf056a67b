"""The page of metrics, from what is on the board and what the devices say."""

from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.metrics import MetricsPage
from paceline.app.places import Places
from paceline.app.serving.overview import Noticeboard, Overview, ReplicaUse
from paceline.app.wiring import Workshop
from paceline.records.load import Target
from paceline.records.telemetry import ProcessUse, Snapshot, TelemetryGap
from paceline.records.trial import ColdStart
from paceline.testing.deployments import a_replica, a_status, an_endpoint


class Devices:
    """A `Telemetry` and its reader; counts how often it was opened."""

    name = subject = "cards"

    def __init__(self, **gauges: float) -> None:
        self._gauges = gauges
        self.opened = 0

    def open(self, target: Target) -> "Devices | TelemetryGap":
        del target
        self.opened += 1
        return self if self._gauges else TelemetryGap(source="cards", because="there are none")

    def read(self) -> Snapshot:
        return Snapshot(at_s=0.0, gauges=self._gauges, counters={}, histograms={})

    def close(self) -> None:
        raise AssertionError("nobody closes it")


class NoStore:
    """Whoever asks it waits for ever."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was asked for")


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path))
    vars(shop).update(store=NoStore(), accelerator_telemetry=Devices())
    return shop


def samples(page: str) -> dict[str, float]:
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_all_of_it_is_had_without_the_store(shop: Workshop) -> None:
    board = Noticeboard()
    use = ProcessUse(cpu_s=1.5, memory_bytes=4096)
    cold = ColdStart(environment_s=None, weights_s=0.5, engine_s=2.0, warmup_s=0.25)
    board.pin(
        Overview(
            statuses=(a_status(an_endpoint()),),
            starts=(replace(a_replica(), cold_start=cold),),
            uses=(ReplicaUse(replica_id="demo-1-ab12", endpoint="demo", version=1, use=use),),
            replicas=(replace(a_replica(), usd_per_hour=2.5), a_replica("demo-1-cd34")),
            store_away=True,
        )
    )
    found = samples(MetricsPage(shop, board).text())
    replica = '{endpoint="demo",version="1",replica="demo-1-ab12"}'
    assert found["paceline_store_away"] == 1
    assert found['paceline_replicas{endpoint="demo",state="starting"}'] == 1
    assert found[f"paceline_replica_cpu_seconds_total{replica}"] == 1.5
    assert found[f"paceline_replica_memory_bytes{replica}"] == 4096
    prices = {name: usd for name, usd in found.items() if "usd_per_hour" in name}
    assert prices == {f"paceline_replica_usd_per_hour{replica}": 2.5}
    phases = [name for name in found if name.startswith("paceline_cold_start_seconds")]
    assert len(phases) == 3, "what was not measured is not there"
    assert found["paceline_host_memory_total_bytes"] > 2**20
    assert found["paceline_host_cpus"] >= 1
    assert not [name for name in found if "device" in name]


def test_devices_say_what_they_know(shop: Workshop) -> None:
    devices = Devices(
        gpu0_memory_used_gib=1.5,
        gpu0_memory_total_gib=80.0,
        gpu0_utilization_percent=25.0,
        gpu0_power_w=300.0,
        gpu1_memory_total_gib=40.0,
    )
    vars(shop)["accelerator_telemetry"] = devices
    page = MetricsPage(shop, Noticeboard())
    page.text()
    found = samples(page.text())
    assert devices.opened == 1, "and kept open"
    assert {name: value for name, value in found.items() if "device" in name} == {
        'paceline_device_memory_used_bytes{device="gpu0"}': 1.5 * 2**30,
        'paceline_device_memory_total_bytes{device="gpu0"}': 80.0 * 2**30,
        'paceline_device_memory_total_bytes{device="gpu1"}': 40.0 * 2**30,
        'paceline_device_utilization_ratio{device="gpu0"}': 0.25,
    }


def test_before_anything_is_known_there_is_a_page(shop: Workshop) -> None:
    assert samples(MetricsPage(shop, Noticeboard()).text())["paceline_store_away"] == 0
