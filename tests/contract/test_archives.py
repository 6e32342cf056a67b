"""The folder archive on its contract, and what a disk can do to it."""

import errno
import os
from pathlib import Path

import pytest

from paceline.adapters.archives.folder import FolderArchive
from paceline.errors import Code, SetupError
from paceline.records.trial import BlobRef
from paceline.testing.archives import ArchiveContract


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path)


class TestFolderArchive(ArchiveContract):
    @pytest.fixture
    def archive(self, tmp_path: Path) -> FolderArchive:
        return FolderArchive(tmp_path)


def test_receipts_and_samples_have_their_folders(archive: FolderArchive) -> None:
    assert archive.keep(b"{}", suffix=".json").path.startswith("receipts/")
    assert archive.keep(b"{}", suffix=".npz").path.startswith("samples/")


def test_a_damaged_file_is_mended_when_its_bytes_are_kept_again(
    archive: FolderArchive, tmp_path: Path
) -> None:
    ref = archive.keep(b"whole", suffix=".npz")
    (tmp_path / ref.path).write_bytes(b"wrong")
    with pytest.raises(SetupError):
        archive.read(ref)
    archive.keep(b"whole", suffix=".npz")
    assert archive.read(ref) == b"whole"


def test_a_reference_to_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    archive = FolderArchive(tmp_path / "data")
    for path in ("../secret", str(tmp_path / "secret")):
        with pytest.raises(SetupError, match="outside"):
            archive.read(BlobRef(path=path, sha256="0" * 64, size_bytes=6))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, Code.DISK_FULL),
        (errno.EDQUOT, Code.DISK_FULL),
        (errno.EACCES, Code.CACHE_UNWRITABLE),
        (errno.EROFS, Code.CACHE_UNWRITABLE),
    ],
)
def test_a_failed_write_is_told_and_leaves_nothing(
    archive: FolderArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: Code,
) -> None:
    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(SetupError) as caught:
        archive.keep(b"some bytes", suffix=".npz")
    assert caught.value.code is code
    assert list((tmp_path / "samples").iterdir()) == []
