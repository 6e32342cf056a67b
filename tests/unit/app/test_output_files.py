"""A file that cannot be written is said before the work, and looking leaves no trace."""

import errno
from pathlib import Path

import pytest

from paceline.app.output_files import require_writable, write_output
from paceline.errors import Code, SetupError


def test_a_folder_that_is_not_there_is_named_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as raised:
        require_writable(tmp_path / "nowhere" / "run.html", "--html")
    assert "No such file or directory" in raised.value.why
    assert "--html" in raised.value.fix


def test_looking_changes_nothing(tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    there.write_text("as it was")
    for path in (there, tmp_path / "new.html", None):
        require_writable(path, "--html")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [
        ("there.html", "as it was")
    ]


def test_a_file_without_room_is_said_and_half_of_it_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(SetupError) as raised:
        write_output(tmp_path / "s.npz", b"samples", "--samples")
    assert raised.value.code is Code.DISK_FULL
    assert "--samples" in raised.value.fix
    assert list(tmp_path.iterdir()) == []


def test_what_there_is_room_for_is_written(tmp_path: Path) -> None:
    write_output(tmp_path / "page.html", "1 – 2".encode(), "--html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "1 – 2"
