"""The Archive port in a folder: `receipts/SHA256.json`, `samples/SHA256.npz`, `pictures/SHA256.png`
and so on by suffix.

A file appears under its name only when it is whole, and names are hashes, so nothing is ever
overwritten with something else.
"""

import errno
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from paceline.errors import Code, PacelineError, SetupError
from paceline.records.trial import BlobRef

FOLDER_BY_SUFFIX: Final = {".json": "receipts", ".png": "pictures", ".npy": "pictures"}
OTHER_FOLDER: Final = "samples"


class FolderArchive:
    """Everything below `root`; references are relative to it, so the folder may be moved."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, data: bytes, *, suffix: str) -> BlobRef:
        """As in the port. Raises SetupError when the disk is full or the folder unwritable."""
        digest = hashlib.sha256(data).hexdigest()
        folder = FOLDER_BY_SUFFIX.get(suffix, OTHER_FOLDER)
        path = self._root / folder / f"{digest}{suffix}"
        try:
            if not (path.exists() and path.read_bytes() == data):
                _write_whole(path, data)
        except OSError as error:
            raise _unwritable(path, error) from error
        relative = path.relative_to(self._root).as_posix()
        return BlobRef(path=relative, sha256=digest, size_bytes=len(data))

    def read(self, ref: BlobRef) -> bytes:
        path = self._root / ref.path
        # A receipt can come from anywhere; it names files of this folder and no others.
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise _unreadable(ref, path, "it lies outside the folder of the receipt")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _unreadable(ref, path, f"{error.strerror} (errno {error.errno})") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != ref.sha256:
            why = (
                f"its {len(data)} bytes hash to {digest}; {ref.size_bytes} bytes with {ref.sha256}"
            )
            raise _unreadable(ref, path, f"{why} were stored")
        return data


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name without the content
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> PacelineError:
    folder = str(path.parent)
    why = f"{error.strerror} (errno {error.errno})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = f"free some space on the disk of {folder!r}, then `paceline optimize --resume RUN`"
        return SetupError(Code.DISK_FULL, f"no room to write to {folder!r}", why=why, fix=fix)
    fix = "make it writable, or set PACELINE_DATA to a folder you own"
    return SetupError(Code.CACHE_UNWRITABLE, f"cannot write to {folder!r}", why=why, fix=fix)


def _unreadable(ref: BlobRef, path: Path, why: str) -> SetupError:
    return SetupError(
        Code.BAD_INPUT_FILE,
        f"{str(path)!r} is not what was kept as {ref.sha256[:12]}",
        why=why,
        fix="put the file back from a copy; its name is the SHA-256 of its content",
    )
