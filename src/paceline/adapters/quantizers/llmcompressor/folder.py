"""The folder of one artefact: named by what it was made from, whole or not there at all."""

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

RECEIPT: Final = "paceline.json"


def make_once(folder: Path, make: Callable[[Path], Mapping[str, object]]) -> bool:
    """Fill `folder` with `make` unless it is there; whether it had to.

    `make` gets a scratch folder beside it and returns what the receipt is to say; the hash of
    every file is added. Raises OSError when the disk does not take it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / f"{folder.name}.lock"):
        if (folder / RECEIPT).is_file():
            return False
        prefix = f".{folder.name}-"
        for leftover in folder.parent.glob(f"{prefix}*"):  # of a killed one; the lock is ours
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as scratch:
            output = Path(scratch) / "model"
            output.mkdir()
            said = make(output)
            receipt = {**said, "files": _hashes(output)}
            (output / RECEIPT).write_text(json.dumps(receipt, indent=1), encoding="utf-8")
            if folder.exists():  # without its receipt: left by hand
                shutil.rmtree(folder)
            output.rename(folder)
        return True


def size_bytes(folder: Path) -> int:
    """Of all files in it."""
    return sum(file.stat().st_size for file in folder.iterdir())


def _hashes(folder: Path) -> list[dict[str, object]]:
    hashes = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        hashes.append({"path": path.name, "sha256": sha256, "size_bytes": path.stat().st_size})
    return hashes


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps two makers of one artefact apart, also those of two Pacelines."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
