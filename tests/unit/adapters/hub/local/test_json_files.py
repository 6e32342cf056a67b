import os
from pathlib import Path

import pytest

from paceline.adapters.hub.local.json_files import read_object
from paceline.errors import Code, SpecError


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1,\n "b": }', "line 2 column 7"),
        (b"\xff{}", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b"[1, 2]", "found list"),
        (b"", "line 1 column 1"),
    ],
    ids=["syntax", "not utf-8", "nesting", "huge number", "not an object", "empty"],
)
def test_says_how_a_file_is_broken(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_object(path)
    assert caught.value.code is Code.BAD_MODEL
    assert why in caught.value.why
    assert "config.json" in caught.value.what


def test_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.symlink_to(path)
    with pytest.raises(SpecError, match="Too many levels of symbolic links"):
        read_object(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    os.mkfifo(path)
    with pytest.raises(SpecError, match="a pipe, a socket or a device"):
        read_object(path)
