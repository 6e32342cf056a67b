"""The hub's own client, with its answers as records and its errors in our words.

Endpoint, token, cache folder and offline mode are the client's settings (`HF_ENDPOINT`, `HF_TOKEN`
or `hf auth login`, `HF_HOME`, `HF_HUB_OFFLINE`), so that what is set for other tools holds here.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any, Final

import httpx2
from huggingface_hub import (
    HfApi,
    constants,
    hf_hub_download,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from paceline.errors import CapacityError, Code, PacelineError, SetupError, SpecError
from paceline.records.checkpoint import Gate, RemoteFile

Json = Mapping[str, object]
_EVERY_MODEL_HAS: Final = ("model_index.json", "config.json")
_TIMEOUT_S: Final = 20.0
_GATES: Final = {"auto": Gate.AUTOMATIC, "manual": Gate.MANUAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """What the hub says of a repository at one commit, without opening a file."""

    name: str
    revision: str
    tags: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    gate: Gate
    licence: str | None
    downloads: int | None
    stored: tuple[tuple[str, int], ...]
    """Elements of the safetensors weights by dtype, where the hub has counted them."""
    gguf: Json
    """Of a GGUF repository: `total` parameters, `architecture` …"""
    summary: Json
    """The parts of config.json that the hub shows, also of gated repositories."""

    def tagged(self, kind: str) -> tuple[str, ...]:
        """What follows `kind:` in the tags."""
        return tuple(
            tag.removeprefix(f"{kind}:") for tag in self.tags if tag.startswith(kind + ":")
        )


class Client:
    """Asks the hub. Every method raises SpecError, SetupError or CapacityError; see `Source`."""

    def __init__(self) -> None:
        if not sys.stderr.isatty():
            disable_progress_bars()
        self._api = HfApi()

    @property
    def endpoint(self) -> str:
        """Where the questions go."""
        return str(self._api.endpoint)

    @property
    def offline(self) -> bool:
        """Whether questions are forbidden."""
        return constants.is_offline_mode()

    def repo(self, name: str, revision: str | None = None) -> Repo:
        """The repository `ORG/NAME`, by its present name even when it was asked by an older one."""
        with self._translated(name, revision):
            found = self._api.model_info(
                name, revision=revision, files_metadata=True, timeout=_TIMEOUT_S
            )
        return _repo(found)

    def quantized_from(self, name: str, *, limit: int) -> tuple[str, ...]:
        """Repositories that say they were quantized from `name`, most downloaded first."""
        return self._listed(name, limit, filter=f"base_model:quantized:{name}")

    def named_like(self, words: str, *, limit: int) -> tuple[str, ...]:
        """Repositories with `words` in their name, most downloaded first."""
        return self._listed(words, limit, search=words)

    def read_json(self, name: str, revision: str, path: str) -> Json | None:
        """A JSON object in a repository, `None` when the file is not there.

        Raises `ValueError` when it is no JSON object.
        """
        with self._translated(name, revision):
            try:
                local = hf_hub_download(name, path, revision=revision)
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                return None
        return parse(Path(local))

    def download(self, name: str, revision: str | None, files: Iterable[str] | None) -> Path:
        """The folder with these files of a repository (all that is there for `None`, offline).

        The folder is named by the commit. Files that are there already are not fetched again.
        """
        wanted = None if files is None else [_escaped(file) for file in files]
        with self._translated(name, revision):
            return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))

    def cached(self, name: str, revision: str | None) -> Path:
        """The folder in which files of a repository were kept; asks nobody.

        Found by a file that every model has, since the cache counts one as incomplete that lacks
        any file of its repository, also those that nobody wants.
        """
        for file in _EVERY_MODEL_HAS:
            path = try_to_load_from_cache(name, file, revision=revision)
            if isinstance(path, str):
                return Path(path).parent
        return self.download(name, revision, None)

    def _listed(self, about: str, limit: int, **query: str) -> tuple[str, ...]:
        with self._translated(about, None):
            found = self._api.list_models(sort="downloads", **query)  # type: ignore[arg-type]  # text
            return tuple(model.id for model in islice(found, limit))

    @contextmanager
    def _translated(self, name: str, revision: str | None) -> Iterator[None]:
        try:
            yield
        except (
            HfHubHTTPError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            httpx2.TransportError,
        ) as error:
            raise self._error(error, name, revision) from error

    def _error(self, error: Exception, name: str, revision: str | None) -> PacelineError:
        cause = error.__cause__
        if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, HfHubHTTPError):
            error = cause  # a download wraps what stopped it
        if isinstance(error, HfHubHTTPError):
            return self._answered(error, name, revision)
        if self.offline:
            return SetupError(
                Code.HUB_UNREACHABLE,
                f"{name!r} cannot be looked up: the hub is switched off",
                why="HF_HUB_OFFLINE is set, and the local cache does not hold what is needed",
                fix="unset HF_HUB_OFFLINE, or name a local folder",
            )
        return SetupError(
            Code.HUB_UNREACHABLE,
            f"the hub at {self.endpoint} cannot be reached",
            why=f"{type(cause or error).__name__}: {str(cause or error).splitlines()[0]}",
            fix="check the connection or proxy, name a mirror (HF_ENDPOINT=URL), or a local folder",
        )

    def _answered(self, error: HfHubHTTPError, name: str, revision: str | None) -> PacelineError:
        status = error.response.status_code
        said = f"{self.endpoint} answered {status}: {error.server_message or 'no reason given'}"
        if isinstance(error, GatedRepoError):
            return SetupError(
                Code.MODEL_GATED,
                f"{name!r} is gated, and this account has no access",
                why=said,
                fix=f"accept its terms at {self.endpoint}/{name}, then `hf auth login` or HF_TOKEN",
            )
        if isinstance(error, RevisionNotFoundError):
            return SpecError(
                Code.UNKNOWN_NAME,
                f"{name!r} has no revision {revision!r}",
                why=f"{self.endpoint} answered {status}",
                fix=f"leave it out, or see {self.endpoint}/{name}/commits/main",
            )
        if isinstance(error, RepositoryNotFoundError):
            return SpecError(
                Code.UNKNOWN_NAME,
                f"the hub has no model {name!r}",
                why=f"{self.endpoint} answered {status}: it does not exist, or is private",
                fix="check the name; for a private model: `hf auth login` or HF_TOKEN",
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = error.response.headers.get("Retry-After")
            return CapacityError(
                Code.RATE_LIMITED,
                f"the hub at {self.endpoint} wants a pause",
                why="it answered 429: too many requests",
                fix=f"try again in {wait} s" if wait else "try again later, or use a token",
            )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return SetupError(
                Code.MODEL_GATED,
                f"the hub refuses access to {name!r}",
                why=said,
                fix="renew the token: `hf auth login`, or HF_TOKEN",
            )
        return CapacityError(
            Code.HUB_UNREACHABLE,
            f"the hub at {self.endpoint} has a fault",
            why=f"it answered {status} about {name!r}",
            fix="try again later, or name a mirror: HF_ENDPOINT=URL",
        )


def parse(path: Path) -> Json:
    """The JSON object in a file. Raises `ValueError` when it is none."""
    try:
        value = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")  # noqa: TRY004
    return value


def _repo(info: Any) -> Repo:
    card = info.card_data or {}
    tags = tuple(info.tags or ())
    licences = [tag.removeprefix("license:") for tag in tags if tag.startswith("license:")]
    return Repo(
        name=info.id,
        revision=info.sha,
        tags=tags,
        files=tuple(
            RemoteFile(
                path=file.rfilename,
                size_bytes=file.size or 0,
                sha256=file.lfs.sha256 if file.lfs else None,
            )
            for file in info.siblings or ()
        ),
        gate=_GATES.get(info.gated, Gate.OPEN),
        licence=(card.get("license") if card else None) or next(iter(licences), None),
        downloads=info.downloads,
        stored=tuple(sorted(info.safetensors.parameters.items())) if info.safetensors else (),
        gguf=info.gguf or {},
        summary=info.config or {},
    )


def _escaped(path: str) -> str:
    """A path as a pattern that matches only itself."""
    return path.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
