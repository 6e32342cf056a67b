"""SHA-256 of every file of a model, computed once and remembered.

A remembered hash holds while path, size, modification and change time all stay the same; the change
time guards against copies that keep the modification time.
"""

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.json_files import unreadable
from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.records.model import FileHash
from paceline.units import BYTES_PER_GIB

CHUNK_BYTES: Final = 1 << 22
SAID_EVERY_BYTES: Final = BYTES_PER_GIB
HASHES: Final = "model-hashes.json"


def hash_files(
    paths: Sequence[Path], *, folder: Path, cache: Path, say: Say
) -> tuple[FileHash, ...]:
    """One hash per path, in order, called by its path from `folder`.

    Reads what is not remembered: about a second per GB.
    Raises SpecError when a file cannot be read, SetupError when `cache` cannot be written.
    """
    remembered = _load(cache / HASHES)
    fresh: dict[str, str] = {}
    hashes = []
    for path in paths:
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}"
        sha256 = remembered.get(key)
        if sha256 is None:
            sha256 = fresh[key] = _sha256(path, stat.st_size, say)
        name = path.relative_to(folder).as_posix()
        hashes.append(FileHash(path=name, sha256=sha256, size_bytes=stat.st_size))
    if fresh:
        _store(cache / HASHES, fresh)
    return tuple(hashes)


def _sha256(path: Path, size_bytes: int, say: Say) -> str:
    digest, done, said = hashlib.sha256(), 0, 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                if done - said >= SAID_EVERY_BYTES:
                    said = done
                    say(f"hashing {path.name}: {done / BYTES_PER_GIB:.0f}"
                        f" of {size_bytes / BYTES_PER_GIB:.1f} GiB")  # fmt: skip
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()


def _load(store: Path) -> dict[str, str]:
    """What is remembered; nothing when the file is absent or damaged, for it can be made again."""
    try:
        value = json.loads(store.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(key): sha256 for key, sha256 in value.items() if isinstance(sha256, str)}


def _store(store: Path, fresh: dict[str, str]) -> None:
    """Add `fresh`; renamed into place, so that a reader never sees half a file.

    Two writers at once may lose each other's lines, which costs one hashing more.
    """
    scratch = store.with_name(f".{store.name}-{os.getpid()}")
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(_load(store) | fresh, indent=0, sort_keys=True))
        scratch.replace(store)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        full = error.errno == errno.ENOSPC
        raise SetupError(
            Code.DISK_FULL if full else Code.CACHE_UNWRITABLE,
            f"cannot write to the cache folder {str(store.parent)!r}",
            why=f"{error.strerror} (errno {error.errno})",
            fix="set PACELINE_CACHE to a folder you own, with free space",
        ) from error
