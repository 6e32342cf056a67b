"""`ObjectStore`: models by URL (`s3://`, `gs://`, `file://` …), copied into the cache once.

fsspec knows the protocols; most of them need a package of their own (s3fs, gcsfs, adlfs), and take
their credentials from where those look. What the store says of a file (ETag, checksum, times) names
the copy, so a changed model is another copy and an unchanged one is not fetched again.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import fsspec
from fsspec.utils import get_protocol

from paceline.errors import Code, SetupError, SpecError
from paceline.ports.engine import Say
from paceline.records.checkpoint import Fetched
from paceline.records.model import FileHash
from paceline.units import BYTES_PER_GIB, format_gib

_LEFT: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".gguf", ".onnx", ".h5", ".msgpack", ".ot")
_STAMPS: Final = ("ETag", "etag", "md5Hash", "checksum", "generation", "mtime", "created")
"""What stores say of a file that changes with its content; the first ones are hashes."""


def _silent(_line: str) -> None:
    """Progress that nobody wants to hear."""


class ObjectStore:
    """A `Source`."""

    def __init__(self, cache: Path, *, say: Say = _silent, allow_remote_code: bool = False) -> None:
        self._root = cache / "fetched"
        self._say = say
        self._allow_remote_code = allow_remote_code

    def covers(self, name: str) -> bool:
        return "://" in name

    def fetch(self, name: str, *, weights: bool) -> Fetched:
        """See `Source`. Without `weights` the same files are fetched: stores give no hashes that
        could stand for them."""
        del weights
        try:
            filesystem, place = fsspec.core.url_to_fs(name)
            entries = self._entries(filesystem, place, name)
            folder = self._copied(filesystem, entries, name)
        except ImportError as error:
            raise SetupError(
                Code.MISSING_TOOL,
                f"{get_protocol(name)}:// needs a package that is not installed",
                why=str(error),
                fix="pip install 'paceline[s3]' (or [gs], [abfs]), or that package",
            ) from error
        except ValueError as error:  # fsspec's word for a protocol it has never heard of
            raise SpecError(
                Code.UNKNOWN_NAME,
                f"no model can be read from {name!r}",
                why=str(error),
                fix="name a folder, ORG/NAME, or a URL that fsspec knows (s3://, gs://, file://)",
            ) from error
        except FileNotFoundError as error:
            raise _nothing_there(name, str(error) or "the store has nothing there") from error
        except OSError as error:
            raise SetupError(
                Code.HUB_UNREACHABLE,
                f"{name!r} cannot be read",
                why=f"{type(error).__name__}: {error}",
                fix="check the address and the credentials of the store",
            ) from error
        return Fetched(
            name=place.rstrip("/").rpartition("/")[2],
            source=name,
            folder=str(folder),
            files=_hashes(folder),
        )

    def _entries(self, filesystem: Any, place: str, name: str) -> list[Mapping[str, Any]]:
        """The files at the top of the folder that belong to the checkpoint."""
        entries = [
            entry
            for entry in filesystem.ls(place, detail=True, refresh=True)
            if entry["type"] == "file" and self._wanted(_base(entry))
        ]
        if "config.json" not in {_base(entry) for entry in entries}:
            raise SpecError(
                Code.BAD_MODEL,
                f"{name!r} is no model",
                why=f"no config.json among the {len(entries)} files there",
                fix="name the folder that holds config.json and the weights",
            )
        return sorted(entries, key=_base)

    def _wanted(self, path: str) -> bool:
        if path.endswith(".py"):
            return self._allow_remote_code
        return not path.startswith(".") and not path.endswith(_LEFT)

    def _copied(self, filesystem: Any, entries: list[Mapping[str, Any]], name: str) -> Path:
        folder = self._root / _identity(name, entries)
        if folder.is_dir():
            return folder
        size_gib = sum(entry.get("size") or 0 for entry in entries) / BYTES_PER_GIB
        self._say(f"fetching {name}: {len(entries)} files, {format_gib(size_gib)}")
        self._root.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self._root, prefix=".part-"))
        try:
            for entry in entries:
                filesystem.get_file(entry["name"], str(scratch / _base(entry)))
            if not folder.is_dir():  # another Paceline may have been faster
                scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return folder


def _identity(name: str, entries: list[Mapping[str, Any]]) -> str:
    """Changes when a file of the model does: names, sizes and what the store says of each."""
    stamps = [
        [_base(entry), entry.get("size"), [str(entry[key]) for key in _STAMPS if key in entry]]
        for entry in entries
    ]
    return hashlib.sha256(json.dumps([name, stamps]).encode()).hexdigest()[:24]


def _base(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).rpartition("/")[2]


def _hashes(folder: Path) -> tuple[FileHash, ...]:
    hashes = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        hashes.append(FileHash(path=path.name, sha256=sha256, size_bytes=path.stat().st_size))
    return tuple(hashes)


def _nothing_there(name: str, why: str) -> SpecError:
    return SpecError(
        Code.UNKNOWN_NAME,
        f"there is no model at {name!r}",
        why=why,
        fix="name the folder that holds config.json and *.safetensors",
    )
