"""A process is an orphan when the Paceline its marker names is gone; ids are used again."""

import os
from pathlib import Path

import pytest

from paceline.adapters.executors.local import orphans


class Proc:
    """A /proc of the test's making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, process: int, *, start: int, owner: str | None = None, state: str = "S") -> None:
        place = self.folder / str(process)
        place.mkdir()
        fields = [state, *["0"] * 18, str(start), *["0"] * 5]
        (place / "stat").write_text(f"{process} (a name) with) paren) {' '.join(fields)}")
        variables = ["HOME=/home", *([f"PACELINE_OWNER={owner}"] if owner else [])]
        (place / "environ").write_bytes("\0".join(variables).encode())


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    monkeypatch.setattr(orphans, "_PROC", tmp_path)
    return Proc(tmp_path)


def test_the_marker_names_this_process_and_when_it_started() -> None:
    name = orphans.marker()["PACELINE_OWNER"]
    process, start = name.split(":")
    assert int(process) == os.getpid()
    assert int(start) > 0


def test_engines_of_living_pacelines_are_no_orphans(proc: Proc) -> None:
    proc.add(100, start=5)
    proc.add(200, start=9, owner="100:5")
    assert orphans.marked_processes() == ()
    assert orphans.marked_processes("100:5") == (200,)


def test_engines_of_dead_pacelines_are(proc: Proc) -> None:
    proc.add(200, start=9, owner="100:5")
    proc.add(201, start=9)
    assert orphans.marked_processes() == (200,)


def test_a_stranger_with_the_same_id_is_not_the_owner(proc: Proc) -> None:
    proc.add(100, start=77)
    proc.add(200, start=9, owner="100:5")
    assert orphans.marked_processes() == (200,)


def test_a_zombie_owns_nothing(proc: Proc) -> None:
    proc.add(100, start=5, state="Z")
    proc.add(200, start=9, owner="100:5")
    assert orphans.marked_processes() == (200,)


def test_a_marker_that_makes_no_sense_is_left_alone(proc: Proc) -> None:
    proc.add(200, start=9, owner="nonsense")
    assert orphans.marked_processes() == ()


def test_a_sweep_kills_orphans_only(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    proc.add(100, start=5)
    proc.add(200, start=9, owner="100:5")
    proc.add(300, start=9, owner="42:1")
    proc.add(301, start=9, owner="42:1")
    killed: list[int] = []

    def kill(process: int, _number: int) -> None:
        if process == 301:
            raise ProcessLookupError
        killed.append(process)

    monkeypatch.setattr(os, "kill", kill)
    assert orphans.end_orphans() == (300,)
    assert killed == [300]
