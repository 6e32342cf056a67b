"""A machine's files in, its fingerprint out; absent files are unknown, not guessed."""

from pathlib import Path

import pytest

from paceline.adapters.hosts.linux.fingerprint import read_fingerprint

LAPTOP = {
    "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "proc/cpuinfo": (
        "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nmicrocode\t: 0xab\n"
        "flags\t\t: fpu avx2 fma amx_int8\n\nprocessor\t: 1\nmodel name\t: Other\n"
    ),
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "400000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "3500000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_min_freq": "800000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_max_freq": "2500000\n",
    "sys/devices/system/cpu/intel_pstate/no_turbo": "1\n",
    "sys/devices/system/node/node0/meminfo": "",
    "sys/devices/system/node/node1/meminfo": "",
    "sys/class/power_supply/AC/online": "0\n",
    "sys/class/power_supply/BAT0/capacity": "80\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/fs/cgroup/cpu.max": "50000 100000\n",
    "sys/fs/cgroup/memory.max": "2147483648\n",
}


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_everything_readable_is_read(tmp_path: Path) -> None:
    found = read_fingerprint(machine(tmp_path, LAPTOP))
    assert found.os == "Debian GNU/Linux 12 (bookworm)"
    assert (found.cpu_model, found.microcode) == ("Some CPU @ 2.00GHz", "0xab")
    assert found.cpu_features == ("amx_int8", "avx2", "fma")
    assert found.governor == "performance, powersave"
    assert (found.frequency_min_mhz, found.frequency_max_mhz) == (400.0, 3500.0)
    assert (found.turbo, found.on_battery, found.numa_nodes) == (False, True, 2)
    assert found.huge_pages == "madvise"
    assert (found.usable_cores, found.memory_limit_gib) == (0.5, 2.0)
    assert found.hypervisor is None


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    found = read_fingerprint(tmp_path)
    unknown = (
        *(found.cpu_model, found.microcode, found.governor, found.frequency_min_mhz),
        *(found.frequency_max_mhz, found.turbo, found.on_battery, found.numa_nodes),
        *(found.huge_pages, found.memory_limit_gib, found.hypervisor),
    )
    assert unknown == (None,) * len(unknown)
    assert found.cpu_features == ()
    assert found.usable_cores >= 1


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("proc/cpuinfo", "flags : hypervisor", "hypervisor", "unknown"),
        ("proc/cpuinfo", "Features : asimd sve fp", "cpu_features", ("asimd", "sve")),
        ("sys/devices/system/cpu/cpufreq/boost", "1", "turbo", True),
        ("sys/class/power_supply/AC/online", "1", "on_battery", False),
        ("sys/fs/cgroup/memory.max", "max", "memory_limit_gib", None),
    ],
)
def test_other_machines_say_it_elsewhere(
    tmp_path: Path, name: str, text: str, field: str, value: object
) -> None:
    found = read_fingerprint(machine(tmp_path, {name: text}))
    assert getattr(found, field) == value
