"""The processor as an accelerator, within what the container allows."""

import os
from pathlib import Path

import pytest

from paceline.adapters.executors.local import inventory
from paceline.records.hardware import AcceleratorKind


def test_offers_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {1, 5, 6})
    place = inventory.find_cpu()
    assert (place.name, place.kind, place.available) == ("cpu", AcceleratorKind.CPU, 1)
    assert place.cores == 3
    assert (place.engine_cores, place.threads) == ((), 3)


@pytest.mark.parametrize(
    ("cores", "quota", "usable", "kept"),
    [
        (2, None, 2, 0),
        (7, None, 7, 0),
        (8, None, 8, 7),
        (64, None, 64, 63),
        (64, 4.0, 4, 4),
        (64, 16.5, 16, 15),
        (2, 0.5, 1, 1),
        (2, 8.0, 2, 0),
    ],
)
def test_engines_are_kept_to_what_the_quota_pays_for_less_one_for_the_client_where_there_are_many(
    cores: int, quota: float | None, usable: int, kept: int
) -> None:
    ids = range(10, 10 + cores)
    assert inventory.usable_cores(ids, quota) == usable
    assert inventory.engine_cores(ids, quota) == tuple(ids[:kept])


def test_the_quota_is_read_from_the_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr(inventory, "_CGROUP_CPU", limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)))
    assert inventory.find_cpu().threads == 15
    limit.write_text("max 100000\n")
    assert inventory.find_cpu().threads == 15
    limit.write_text("300000 100000\n")
    place = inventory.find_cpu()
    assert (place.cores, place.engine_cores, place.threads) == (3, (0, 1, 2), 3)


def test_a_containers_limit_counts_when_it_is_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(inventory, "_CGROUP_LIMITS", (limit, tmp_path / "absent"))
    whole = inventory.find_cpu().memory_gib
    limit.write_text("max\n")
    assert inventory.find_cpu().memory_gib == whole
    limit.write_text(f"{2**29}\n")
    assert inventory.find_cpu().memory_gib == 0.5


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("model name : x\nflags\t\t: fpu avx2 avx512_bf16 amx_int8\n", 3),
        ("Features\t: asimd bf16 i8mm sve\n", 4),
        ("nothing of the kind\n", 0),
    ],
)
def test_only_instruction_sets_that_matter_are_named(
    text: str, features: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(text)
    monkeypatch.setattr(inventory, "_CPU_INFO", info)
    found = inventory.find_cpu().features
    assert len(found) == features
    assert "fpu" not in found
