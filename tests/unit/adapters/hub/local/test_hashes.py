import errno
import hashlib
import os
from pathlib import Path
from typing import NoReturn

import pytest

from paceline.adapters.hub.local import hashes
from paceline.adapters.hub.local.hashes import HASHES, hash_files
from paceline.errors import Code, SetupError, SpecError


def quiet(_line: str) -> None:
    """Progress is not what is tested."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(b"abc" * 1000)
    return path


def test_hashes_the_whole_content(file: Path, tmp_path: Path) -> None:
    (found,) = hash_files([file], folder=tmp_path, cache=tmp_path / "cache", say=quiet)
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (found.path, found.size_bytes) == ("weights", 3000)


def test_an_unchanged_file_is_read_once(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hash_files([file], folder=tmp_path, cache=tmp_path, say=quiet)
    monkeypatch.delattr(hashes, "_sha256")
    assert hash_files([file], folder=tmp_path, cache=tmp_path, say=quiet) == before


def test_a_changed_file_of_the_same_size_and_modification_time_is_read_again(
    file: Path, tmp_path: Path
) -> None:
    before = hash_files([file], folder=tmp_path, cache=tmp_path, say=quiet)
    kept = file.stat()
    file.write_bytes(b"xyz" * 1000)
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    if file.stat().st_ctime_ns == kept.st_ctime_ns:
        pytest.skip("this file system does not tell the two writes apart")
    assert hash_files([file], folder=tmp_path, cache=tmp_path, say=quiet) != before


@pytest.mark.parametrize("damage", [b"{", b"[]", b"\xff", b'{"k": 5}'])
def test_a_damaged_memory_is_made_again(file: Path, tmp_path: Path, damage: bytes) -> None:
    before = hash_files([file], folder=tmp_path, cache=tmp_path, say=quiet)
    (tmp_path / HASHES).write_bytes(damage)
    assert hash_files([file], folder=tmp_path, cache=tmp_path, say=quiet) == before
    assert before[0].sha256.encode() in (tmp_path / HASHES).read_bytes()


def test_an_unwritable_cache_is_the_operators_to_mend(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        hash_files([file], folder=tmp_path, cache=file / "cache", say=quiet)
    assert caught.value.code is Code.CACHE_UNWRITABLE


def test_a_full_disk_is_called_so_and_leaves_no_scrap(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_self: Path, _target: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fill)
    with pytest.raises(SetupError) as caught:
        hash_files([file], folder=tmp_path, cache=tmp_path / "cache", say=quiet)
    assert caught.value.code is Code.DISK_FULL
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    with pytest.raises(SpecError, match="weights"):
        hash_files([folder], folder=tmp_path, cache=tmp_path, say=quiet)


def test_big_files_report_progress(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(hashes, "SAID_EVERY_BYTES", 2000)
    said: list[str] = []
    hash_files([file], folder=tmp_path, cache=tmp_path, say=said.append)
    assert [line.split(":")[0] for line in said] == ["hashing weights"]
