"""What a start that was killed while it compiled leaves to the next one."""

import fcntl
import os
from pathlib import Path
from typing import IO

import pytest

from paceline.runtimes.image_server.kept_code import KeptCode


def code(folder: Path) -> Path:
    """A file of compiled code."""
    file = folder / "inductor" / "ab" / "kernel.so"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    return file


def test_code_that_was_written_whole_is_kept(tmp_path: Path) -> None:
    kept = KeptCode(tmp_path)
    kept.begin()
    kept.begin()
    file = code(tmp_path)
    kept.end()
    kept.end()
    KeptCode(tmp_path)
    assert file.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["inductor"]


def test_after_a_compiler_died_everything_is_made_anew(tmp_path: Path) -> None:
    file = code(tmp_path)
    (tmp_path / "compiling-12345").touch()  # held by nobody
    KeptCode(tmp_path)
    assert not file.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_neighbour_that_compiles_is_left_alone(tmp_path: Path) -> None:
    neighbour = KeptCode(tmp_path)
    file = code(tmp_path)
    neighbour.begin()
    KeptCode(tmp_path)
    assert file.exists()
    assert (tmp_path / f"compiling-{os.getpid()}").exists()
    neighbour.end()


def test_a_marker_is_held_before_anybody_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Path]] = []
    monkeypatch.setattr(fcntl, "flock", lambda *_: seen.append([*tmp_path.glob("compiling-*")]))
    kept = KeptCode(tmp_path)
    kept.begin()
    assert seen == [[]]
    kept.end()
    assert list(tmp_path.iterdir()) == []


def test_a_neighbour_that_ends_while_it_is_looked_at_did_not_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = KeptCode(tmp_path)
    file = code(tmp_path)
    neighbour.begin()
    lock = fcntl.flock

    def too_late(marker: IO[str], how: int) -> None:
        neighbour.end()
        lock(marker, how)

    monkeypatch.setattr(fcntl, "flock", too_late)
    KeptCode(tmp_path)
    assert file.exists()


def test_a_neighbour_that_ends_before_it_is_looked_at_did_not_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = code(tmp_path)
    monkeypatch.setattr(Path, "glob", lambda *_: iter([tmp_path / "compiling-12345"]))
    KeptCode(tmp_path)
    assert file.exists()


def test_the_compilers_are_told_where(tmp_path: Path) -> None:
    assert KeptCode(tmp_path / "new").environment() == {
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "new" / "inductor"),
        "TRITON_CACHE_DIR": str(tmp_path / "new" / "triton"),
    }
