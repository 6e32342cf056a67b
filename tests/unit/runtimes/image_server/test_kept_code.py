"""What a start that was killed while it compiled leaves to the next one."""

import os
from pathlib import Path

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


def test_the_compilers_are_told_where(tmp_path: Path) -> None:
    assert KeptCode(tmp_path / "new").environment() == {
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "new" / "inductor"),
        "TRITON_CACHE_DIR": str(tmp_path / "new" / "triton"),
    }
