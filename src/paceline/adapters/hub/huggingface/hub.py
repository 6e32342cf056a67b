"""`HuggingFaceHub`: finds and fetches checkpoints, at commits, through the hub's own client."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paceline.adapters.hub.huggingface.client import Client, Repo, parse
from paceline.adapters.hub.huggingface.judge import Base, Documents, Json, judge
from paceline.adapters.hub.huggingface.order import ordered
from paceline.adapters.hub.huggingface.pipeline import (
    LIBRARIES,
    PIPELINE_INDEX,
    PipelineFiles,
    libraries_of,
    pipeline_files,
)
from paceline.adapters.hub.huggingface.schemes import scheme_of
from paceline.adapters.hub.huggingface.weights import INDEX, PICKLES, BrokenIndex, weight_files
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.engine import Say
from paceline.records.checkpoint import Candidate, Fetched, Misfit, Relatives, RemoteFile
from paceline.records.model import FileHash
from paceline.units import BYTES_PER_GIB, format_gib

CONFIG: Final = "config.json"
SIDECAR: Final = "hf_quant_config.json"
SMALL_BYTES: Final = 64_000_000
"""Larger files beside the weights are copies in other layouts, not tokenizers."""
_NAME: Final = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w./-]+))?")
_QUANTIZED_NAME: Final = re.compile(
    r"awq|gptq|gguf|fp8|fp4|int[348]|w\d+a\d+|[348]-?bit|bnb|hqq|quantized", re.IGNORECASE
)
_NOT_SMALL: Final = (".safetensors", ".gguf", ".onnx", ".h5", ".msgpack", ".ot", *PICKLES)
_AT_ONCE: Final = 8  # questions under way; the hub allows many more


def _silent(_line: str) -> None:
    """Progress that nobody wants to hear."""


class HuggingFaceHub:
    """A `Source` that also `FindsRelatives`."""

    def __init__(
        self, _cache: Path, *, say: Say = _silent, allow_remote_code: bool = False
    ) -> None:
        """Files are kept in the hub client's own cache (`HF_HOME`), shared with other tools."""
        self._say = say
        self._allow_remote_code = allow_remote_code
        self._client = Client()

    def covers(self, name: str) -> bool:
        return _NAME.fullmatch(name) is not None

    def fetch(self, name: str, *, weights: bool) -> Fetched:
        repo_name, revision = _split(name)
        if self._client.offline:
            return self._cached(repo_name, revision)
        repo = self._client.repo(repo_name, revision)
        small = [file for file in repo.files if self._is_small(file)]
        folder = self._client.download(repo.name, revision, [file.path for file in small])
        if folder.name != repo.revision:  # a commit came between the two questions
            repo = self._client.repo(repo.name, folder.name)
        self._check_code(repo, folder)
        parts = self._parts(repo.name, repo.files, folder)
        here = [file for file in parts.weights if weights or file.sha256 is None]
        if here:
            self._say(f"fetching {repo.name}: {_size(here)} of weights at {repo.revision[:7]}")
        if here or parts.small:
            names = [file.path for file in (*small, *parts.small, *here)]
            folder = self._client.download(repo.name, repo.revision, names)
        return Fetched(
            name=repo.name.rpartition("/")[2],
            source=f"{repo.name}@{repo.revision}",
            folder=str(folder),
            files=_hashes(folder, [*small, *parts.small, *parts.weights]),
            format=_format(repo, folder),
            stored=repo.stored,
        )

    def relatives(self, name: str, *, limit: int) -> Relatives:
        repo_name, revision = _split(name)
        repo = self._client.repo(repo_name, revision)
        config = self._documents(repo).config or {}
        base = Base(repo=repo, config=config, parameters=_parameters(repo))
        self._say(f"asking {self._client.endpoint} what was made from {repo.name}")
        names, further = self._names(repo, limit)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            looked_at = list(pool.map(lambda one: self._look(one, base), names))
        return Relatives(
            repo=repo.name,
            revision=repo.revision,
            licence=repo.licence,
            gate=repo.gate,
            parameters=base.parameters,
            candidates=ordered((one for found, _ in looked_at for one in found), repo),
            misfits=tuple(one for _, refused in looked_at for one in refused),
            not_examined=further,
        )

    def _names(self, base: Repo, limit: int) -> tuple[list[str], int]:
        """Whom to look at: those that name the base, then those that look like it by name."""
        tagged = self._client.quantized_from(base.name, limit=limit + 1)
        words = base.name.rpartition("/")[2]
        alike = [
            name
            for name in self._client.named_like(words, limit=limit)
            if name != base.name and _QUANTIZED_NAME.search(name.rpartition("/")[2])
        ]
        names = list(dict.fromkeys((*tagged, *alike)))
        return names[:limit], len(names[limit:])

    def _look(self, name: str, base: Base) -> tuple[tuple[Candidate, ...], tuple[Misfit, ...]]:
        try:
            repo = self._client.repo(name)
        except SpecError as error:  # listed a moment ago, and gone or closed now
            return (), (Misfit(repo=name, revision=None, reason=f"{error.what}: {error.why}"),)
        try:
            documents = self._documents(repo)
        except SetupError as error:
            if error.code is not Code.MODEL_GATED:
                raise
            # The hub's summary of config.json is public, also where the file is not.
            documents = Documents(config=None)
        return judge(repo, documents, base, allow_remote_code=self._allow_remote_code)

    def _documents(self, repo: Repo) -> Documents:
        sizes = {file.path: file.size_bytes for file in repo.files}
        read: dict[str, Json | None] = {}
        for path in (CONFIG, SIDECAR, INDEX):
            if path not in sizes:
                read[path] = None
                continue
            if sizes[path] > SMALL_BYTES:
                return Documents(config=None, broken=f"{path} is {sizes[path]:,} bytes long")
            try:
                read[path] = self._client.read_json(repo.name, repo.revision, path)
            except ValueError as error:
                return Documents(config=None, broken=f"corrupt {path}: {error}")
        return Documents(config=read[CONFIG], sidecar=read[SIDECAR], index=read[INDEX])

    def _cached(self, name: str, revision: str | None) -> Fetched:
        folder = self._client.cached(name, revision)
        there = [
            RemoteFile(path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        ]
        small = [file for file in there if self._is_small(file)]
        parts = self._parts(name, there, folder)
        return Fetched(
            name=name.rpartition("/")[2],
            source=f"{name}@{folder.name}",
            folder=str(folder),
            files=_hashes(folder, [*small, *parts.small, *parts.weights]),
        )

    def _parts(self, name: str, files: Sequence[RemoteFile], folder: Path) -> PipelineFiles:
        """The weights, and of a pipeline the small files of its components.

        `folder` has the small files at the top of the repository.
        """
        if not (folder / PIPELINE_INDEX).exists():
            return PipelineFiles(small=(), weights=_weights(name, files, _index(folder)))
        index = _read(name, folder / PIPELINE_INDEX)
        if not self._allow_remote_code:
            _check_libraries(name, index)
        with _whole(name):
            return pipeline_files(files, index)

    def _is_small(self, file: RemoteFile) -> bool:
        """Config, tokenizer, template: at the top and no weight. Code only where it is allowed."""
        if "/" in file.path or file.path.startswith(".") or file.path.endswith(_NOT_SMALL):
            return False
        if file.path.endswith(".py") and not self._allow_remote_code:
            return False
        return file.size_bytes <= SMALL_BYTES

    def _check_code(self, repo: Repo, folder: Path) -> None:
        if self._allow_remote_code:
            return
        for path in (CONFIG, "tokenizer_config.json"):
            if (folder / path).exists() and _read(repo.name, folder / path).get("auto_map"):
                raise SpecError(
                    Code.BAD_MODEL,
                    f"{repo.name!r} wants to run Python code of its own",
                    why=f"{path} has 'auto_map', which makes engines import files of the model",
                    fix=f"no engine here runs such code. Where it needs none, fetch the model, take"
                    f" 'auto_map' out of {path} and name the folder; `paceline models inspect"
                    f" {repo.name} --allow-remote-code` looks at it as it is",
                )


def _split(name: str) -> tuple[str, str | None]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise SpecError(
            Code.UNKNOWN_NAME,
            f"{name!r} is no name on a hub",
            why="names there are ORG/NAME, with @REVISION if wanted",
            fix="paceline models find ORG/NAME",
        )
    return match[1], match[2]


def _weights(name: str, files: Sequence[RemoteFile], index: Json | None) -> tuple[RemoteFile, ...]:
    with _whole(name):
        return weight_files(files, index)


@contextmanager
def _whole(name: str) -> Iterator[None]:
    """What is missing, as an error about the repository."""
    try:
        yield
    except BrokenIndex as error:
        sides = f": {error.have}; needed {error.need}" if error.have else ""
        raise SpecError(
            Code.BAD_MODEL,
            f"the weights of {name!r} cannot be loaded",
            why=f"{error.reason}{sides}",
            fix=f"name another repository: paceline models find {name}",
        ) from error


def _check_libraries(name: str, index: Json) -> None:
    foreign = {part: lib for part, lib in libraries_of(index).items() if lib not in LIBRARIES}
    for component, library in foreign.items():
        raise SpecError(
            Code.BAD_MODEL,
            f"{name!r} wants to run Python code of its own",
            why=f"component {component!r} is from {library!r}; known are {', '.join(LIBRARIES)}",
            fix="no engine here runs such code: name a pipeline of known libraries;"
            f" `paceline models inspect {name} --allow-remote-code` looks at it as it is",
        )


def _index(folder: Path) -> Json | None:
    path = folder / INDEX
    if not path.exists():
        return None
    try:
        return parse(path)
    except ValueError:
        return {}  # an index without a weight_map, which is refused with its name


def _read(name: str, path: Path) -> Json:
    try:
        return parse(path)
    except ValueError as error:
        raise SpecError(
            Code.BAD_MODEL,
            f"{path.name!r} of {name!r} is broken",
            why=str(error),
            fix=f"name another revision: {name}@COMMIT",
        ) from error


def _format(repo: Repo, folder: Path) -> str | None:
    sidecar = folder / SIDECAR
    scheme = scheme_of(
        _read(repo.name, folder / CONFIG) if (folder / CONFIG).exists() else {},
        _read(repo.name, sidecar) if sidecar.exists() else None,
    )
    return None if scheme is None else scheme.format or scheme.method


def _hashes(folder: Path, files: list[RemoteFile]) -> tuple[FileHash, ...]:
    """As the hub states them; small files, which it knows by another hash, are read."""
    hashes = []
    for file in sorted(files, key=lambda one: one.path):
        local = folder / file.path
        sha256 = file.sha256
        if sha256 is None:
            with local.open("rb") as opened:
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        hashes.append(FileHash(path=file.path, sha256=sha256, size_bytes=file.size_bytes))
    return tuple(hashes)


def _parameters(repo: Repo) -> int | None:
    """Of an unquantized model: what the hub counted in its weights."""
    return sum(count for _, count in repo.stored) or None


def _size(files: list[RemoteFile]) -> str:
    return format_gib(sum(file.size_bytes for file in files) / BYTES_PER_GIB)
