from pathlib import Path

from paceline.adapters.telemetry.host import Host
from paceline.adapters.telemetry.host.source import HostReader, RaplPackage, packages
from paceline.records.load import Target
from paceline.records.telemetry import TelemetryGap


def package(folder: Path, name: str, energy_uj: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text("999999\n")
    return folder


def test_this_machine_has_cores_and_memory(tmp_path: Path) -> None:
    reader = HostReader(tmp_path)
    first, last = reader.read(), reader.read()
    assert 0 < first.counters["cpu_busy_s"] < first.counters["cpu_total_s"]
    assert last.counters["cpu_total_s"] >= first.counters["cpu_total_s"]
    assert first.gauges["memory_used_gib"] > 0
    assert "cpu_energy_j" not in first.counters
    assert not isinstance(Host().open(Target(base_url="http://h", model="m")), TelemetryGap)


def test_only_whole_packages_that_can_be_read_are_counted(tmp_path: Path) -> None:
    whole = package(tmp_path / "intel-rapl:0", "package-0", 0)
    package(tmp_path / "intel-rapl:0:0", "core", 0)
    package(tmp_path / "intel-rapl:1", "psys", 0)
    (tmp_path / "intel-rapl:2").mkdir()  # without a counter
    assert packages(tmp_path) == [whole]


def test_energy_goes_on_growing_when_the_counter_wraps(tmp_path: Path) -> None:
    folder = package(tmp_path / "intel-rapl:0", "package-0", 900_000)
    counter = RaplPackage(folder)
    assert counter.read_j() == 0
    (folder / "energy_uj").write_text("950000")
    assert counter.read_j() == 0.05
    (folder / "energy_uj").write_text("50000")
    assert counter.read_j() == 0.15
    assert "cpu_energy_j" in HostReader(tmp_path).read().counters
