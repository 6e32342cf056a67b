"""What every archive must do."""

import hashlib

import pytest

from paceline.errors import SetupError
from paceline.ports.archive import Archive
from paceline.records.trial import BlobRef


class ArchiveContract:
    """Subclass it and give a fixture `archive` that yields an empty archive."""

    def test_bytes_come_back(self, archive: Archive) -> None:
        for data in (b"", b"some bytes", bytes(range(256)) * 1000):
            ref = archive.keep(data, suffix=".npz")
            assert archive.read(ref) == data
            assert (ref.sha256, ref.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))

    def test_equal_bytes_are_kept_once(self, archive: Archive) -> None:
        assert archive.keep(b"same", suffix=".npz") == archive.keep(b"same", suffix=".npz")
        assert archive.keep(b"same", suffix=".json") != archive.keep(b"same", suffix=".npz")

    def test_what_is_not_there_is_told(self, archive: Archive) -> None:
        kept = archive.keep(b"some bytes", suffix=".npz")
        digest = hashlib.sha256(b"others").hexdigest()
        gone = BlobRef(path=kept.path.replace(kept.sha256, digest), sha256=digest, size_bytes=6)
        with pytest.raises(SetupError):
            archive.read(gone)

    def test_what_is_not_what_its_hash_says_is_told(self, archive: Archive) -> None:
        kept = archive.keep(b"some bytes", suffix=".npz")
        other = BlobRef(path=kept.path, sha256="0" * 64, size_bytes=kept.size_bytes)
        with pytest.raises(SetupError, match=kept.sha256):
            archive.read(other)
