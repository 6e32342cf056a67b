"""`ObjectStore`: models by URL (`s3://`, `gs://`, `file://` …), copied into the cache once.

fsspec knows the protocols; most of them need a package of their own (s3fs, gcsfs, adlfs), and take
their credentials from where those look. What the store says of a file (ETag, checksum, times) names
the copy, so a changed model is another copy and an unchanged one is not fetched again.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
CONFIG: Final = "config.json"
PIPELINE_INDEX: Final = "model_index.json"
_WEIGHTS: Final = ".safetensors"
_HALF: Final = ".fp16"
"""In names of copies in 16 bits, which are left where the plain files are there."""
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

    def _entries(self, filesystem: Any, place: str, name: str) -> list["_Entry"]:
        """The files at the top of the folder that belong to the checkpoint, and of a pipeline those
        of its components."""
        entries = self._files(filesystem, place, "")
        names = {entry.path for entry in entries}
        if PIPELINE_INDEX in names:
            for part in _components(filesystem.cat_file(f"{place.rstrip('/')}/{PIPELINE_INDEX}")):
                entries += self._files(filesystem, f"{place.rstrip('/')}/{part}", f"{part}/")
        elif CONFIG not in names:
            raise SpecError(
                Code.BAD_MODEL,
                f"{name!r} is no model",
                why=f"no {CONFIG} or {PIPELINE_INDEX} among the {len(entries)} files there",
                fix=f"name the folder that holds {CONFIG} and the weights",
            )
        return sorted(entries, key=lambda entry: entry.path)

    def _files(self, filesystem: Any, place: str, prefix: str) -> list["_Entry"]:
        """Those of one folder; none where a component has no folder, which is found later."""
        if prefix and not filesystem.isdir(place):
            return []
        told = filesystem.ls(place, detail=True, refresh=True)
        found = {_base(entry): entry for entry in told if entry["type"] == "file"}
        plain = any(name.endswith(_WEIGHTS) and _HALF not in name for name in found)
        return [
            _Entry(path=prefix + name, told=entry)
            for name, entry in found.items()
            if self._wanted(name) and not (prefix and plain and _HALF in name)
        ]

    def _wanted(self, path: str) -> bool:
        if path.endswith(".py"):
            return self._allow_remote_code
        return not path.startswith(".") and not path.endswith(_LEFT)

    def _copied(self, filesystem: Any, entries: list["_Entry"], name: str) -> Path:
        folder = self._root / _identity(name, entries)
        if folder.is_dir():
            return folder
        size_gib = sum(entry.told.get("size") or 0 for entry in entries) / BYTES_PER_GIB
        self._say(f"fetching {name}: {len(entries)} files, {format_gib(size_gib)}")
        self._root.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self._root, prefix=".part-"))
        try:
            for entry in entries:
                copy = scratch / entry.path
                copy.parent.mkdir(exist_ok=True)
                filesystem.get_file(entry.told["name"], str(copy))
            if not folder.is_dir():  # another Paceline may have been faster
                scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A file by its path in the model's folder, with what the store says of it."""

    path: str
    told: Mapping[str, Any]


def _components(index: bytes) -> Iterator[str]:
    """Names of folders that an index of a pipeline has; what is wrong with it is found later."""
    try:
        named = json.loads(index)
    except ValueError:
        return
    for name, pair in named.items() if isinstance(named, dict) else ():
        if isinstance(pair, list) and any(pair) and "/" not in name:
            yield name


def _identity(name: str, entries: list[_Entry]) -> str:
    """Changes when a file of the model does: names, sizes and what the store says of each."""
    stamps = [
        [one.path, one.told.get("size"), [str(one.told[key]) for key in _STAMPS if key in one.told]]
        for one in entries
    ]
    return hashlib.sha256(json.dumps([name, stamps]).encode()).hexdigest()[:24]


def _base(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).rpartition("/")[2]


def _hashes(folder: Path) -> tuple[FileHash, ...]:
    hashes = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(folder).as_posix()
        hashes.append(FileHash(path=name, sha256=sha256, size_bytes=path.stat().st_size))
    return tuple(hashes)


def _nothing_there(name: str, why: str) -> SpecError:
    return SpecError(
        Code.UNKNOWN_NAME,
        f"there is no model at {name!r}",
        why=why,
        fix="name the folder that holds config.json and *.safetensors",
    )
