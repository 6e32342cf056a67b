"""A model hub on the loopback interface, for the real client to talk to.

Answers the part of the Hugging Face hub's HTTP interface that finding and fetching a model uses:
search by tag or name with paging, a repository's description with file sizes, its tree, its files.
Shapes as huggingface_hub 2.4 reads them; every value is made up by whoever fills it.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from huggingface_hub import close_session, constants

LARGE: Final = (".safetensors", ".gguf", ".bin")
"""What the hub keeps in large-file storage, with a SHA-256."""
TOKEN: Final = "hf_let_me_in"  # noqa: S105 - of the double
PAGE: Final = 3


@dataclass(frozen=True, kw_only=True)
class DoubleRepo:
    """One repository of the double. A file given as a number is that long and has no content."""

    name: str
    files: Mapping[str, bytes | int]
    tags: tuple[str, ...] = ()
    downloads: int = 0
    gated: str | bool = False
    private: bool = False
    stored: Mapping[str, int] = field(default_factory=dict)
    gguf: Mapping[str, object] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """A commit id that changes with the content."""
        content = json.dumps([self.name, [(path, _length(f)) for path, f in self.files.items()]])
        return hashlib.sha1(content.encode()).hexdigest()  # noqa: S324 - as git names commits

    def describe(self, *, with_files: bool) -> dict[str, object]:
        """As `/api/models/…` has it."""
        document: dict[str, object] = {
            "_id": self.revision[:24],
            "id": self.name,
            "modelId": self.name,
            "private": self.private,
            "gated": self.gated,
            "downloads": self.downloads,
            "likes": 0,
            "tags": list(self.tags),
            "sha": self.revision,
            "config": dict(self.config),
        }
        if self.stored:
            total = sum(self.stored.values())
            document["safetensors"] = {"parameters": dict(self.stored), "total": total}
        if self.gguf:
            document["gguf"] = dict(self.gguf)
        if with_files:
            document["siblings"] = [
                {"rfilename": path, **_described(path, content)}
                for path, content in self.files.items()
            ]
        return document


class ModelHub:
    """The double: filled with `add`, asked at `url`. `busy` makes it answer 429 to everything."""

    def __init__(self) -> None:
        self.repos: dict[str, DoubleRepo] = {}
        self.renamed: dict[str, str] = {}
        self.busy = False
        self.asked: list[str] = []
        self.url = ""

    def add(self, repo: DoubleRepo) -> DoubleRepo:
        """Put `repo` on the hub, in place of one of the same name."""
        self.repos[repo.name] = repo
        return repo


@contextmanager
def serve_hub() -> Iterator[ModelHub]:
    """A hub that answers while the context lasts."""
    hub = ModelHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    hub: ModelHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_words: object) -> None:
        """The double is silent."""

    def _answer(self) -> None:
        place = urlsplit(self.path)
        path, query = unquote(place.path), parse_qsl(place.query)
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.busy:
            self._refuse(429, "Too many requests", headers={"Retry-After": "7"})
        elif path == "/api/models":
            self._search(query)
        elif path.startswith("/api/models/"):
            self._describe(path.removeprefix("/api/models/"), dict(query))
        elif "/resolve/" in path:
            name, _, rest = path.lstrip("/").partition("/resolve/")
            self._file(name, rest)
        else:
            self._refuse(404, "Not found")

    def _search(self, query: list[tuple[str, str]]) -> None:
        wanted = [value for key, value in query if key == "filter"]
        words = next((value for key, value in query if key == "search"), "")
        found = [
            repo
            for repo in self.hub.repos.values()
            if all(tag in repo.tags for tag in wanted) and words.lower() in repo.name.lower()
        ]
        found.sort(key=lambda repo: -repo.downloads)
        begin = int(next((value for key, value in query if key == "from"), 0))
        page = [repo.describe(with_files=False) for repo in found[begin : begin + PAGE]]
        headers = {}
        if len(found) > begin + PAGE:
            rest = "&".join(f"{key}={value}" for key, value in query if key != "from")
            following = f"{self.hub.url}/api/models?{rest}&from={begin + PAGE}"
            headers["Link"] = f'<{following}>; rel="next"'
        self._send(json.dumps(page).encode(), headers=headers)

    def _describe(self, rest: str, query: Mapping[str, str]) -> None:
        parts = rest.split("/")
        name, kind, revision = "/".join(parts[:2]), "".join(parts[2:3]), "".join(parts[3:4])
        if name in self.hub.renamed:
            where = f"/api/models/{self.hub.renamed[name]}"
            self._refuse(307, "Moved", headers={"Location": where})
            return
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._known):
            self._refuse(401 if not self._known else 404, "Repository not found", "RepoNotFound")
        elif revision not in ("", "main", repo.revision):
            self._refuse(404, "Revision not found", "RevisionNotFound")
        elif kind == "tree":
            tree = [
                {"type": "file", "path": path, "oid": "0" * 40, **_described(path, content)}
                for path, content in repo.files.items()
            ]
            self._send(json.dumps(tree).encode())
        else:
            self._send(json.dumps(repo.describe(with_files="blobs" in query)).encode())

    def _file(self, name: str, rest: str) -> None:
        revision, _, path = rest.partition("/")
        repo = self.hub.repos.get(name)
        content = repo.files.get(path) if repo else None
        if repo is None:
            self._refuse(404, "Repository not found", "RepoNotFound")
        elif repo.gated and not self._known:
            self._refuse(401, f"Access to model {name} is restricted", "GatedRepo")
        elif revision not in ("main", repo.revision):
            self._refuse(404, "Revision not found", "RevisionNotFound")
        elif not isinstance(content, bytes):
            self._refuse(404, "Entry not found", "EntryNotFound")
        else:
            etag = hashlib.sha256(content).hexdigest()
            known = {"X-Repo-Commit": repo.revision, "ETag": f'"{etag}"'}
            self._send(content, headers=known)

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _refuse(
        self, status: int, words: str, code: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        named = {"X-Error-Code": code} if code else {}
        said = {**named, **(headers or {}), "X-Error-Message": words}
        self._send(json.dumps({"error": words}).encode(), status, headers=said)

    def _send(
        self, body: bytes, status: int = 200, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _length(content: bytes | int) -> int:
    return content if isinstance(content, int) else len(content)


def _described(path: str, content: bytes | int) -> dict[str, object]:
    document: dict[str, object] = {"size": _length(content), "blobId": "0" * 40}
    if path.endswith(LARGE):
        known = content if isinstance(content, bytes) else f"{path}{content}".encode()
        sha256 = hashlib.sha256(known).hexdigest()
        # a tree says `oid` where a description says `sha256`
        large = {"size": _length(content), "pointerSize": 130}
        document["lfs"] = {"sha256": sha256, "oid": sha256, **large}
    return document


def point_client_at(hub: ModelHub, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Make the hub's client in this process ask `hub` and keep its files in `folder`.

    The client reads its environment variables once, when it is imported; so they are too late here.
    """
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    patch.setattr(constants, "ENDPOINT", hub.url)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "HF_HUB_CACHE", str(folder))
    patch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        patch.delenv(variable, raising=False)
    close_session()  # connections to an earlier double would be asked again
