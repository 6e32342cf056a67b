"""Checkpoints that are found on a hub or made here."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.model import FileHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Text that a quantizer watches the model read, to see which weights matter.

    `name` says where it came from. The order counts, so it is part of the identity.
    """

    name: str
    texts: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Identity of the content; texts end in a byte that UTF-8 never has."""
        return hashlib.sha256(b"".join(t.encode() + b"\xff" for t in self.texts)).hexdigest()


class Gate(StrEnum):
    """Who may fetch a repository."""

    OPEN = "open"
    AUTOMATIC = "automatic"
    """Whoever accepts the terms with an account."""
    MANUAL = "manual"
    """Whoever the authors let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a repository; `sha256` is known where the hub keeps it in large-file storage."""

    path: str
    size_bytes: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint on a hub that fits a base model. GGUF repositories give one per quantization.

    `revision` is a commit, so that what was looked at is what will be fetched. `files` are the
    weights. `reasons` say what put it where it stands among the others.
    """

    repo: str
    revision: str
    format: str
    method: str
    files: tuple[RemoteFile, ...]
    licence: str | None
    gate: Gate
    downloads: int | None
    stated: bool = False
    """Whether its own tags name the base model; else only its name suggests it."""
    reasons: tuple[str, ...] = ()
    note: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the weights."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A checkpoint that looked like one of the base model and is not, or is broken.

    `have` and `need` are the two sides of the comparison, `None` where there is none.
    """

    repo: str
    revision: str | None
    reason: str
    have: str | None = None
    need: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatives:
    """What a hub has in other formats of one model, best first, and what was refused."""

    repo: str
    revision: str
    licence: str | None
    gate: Gate
    parameters: int | None
    candidates: tuple[Candidate, ...]
    misfits: tuple[Misfit, ...]
    not_examined: int = 0
    """Further repositories of this model with fewer downloads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A model's files in a local folder.

    `source` is the name by which the same is fetched again, with the commit where there are
    commits. `files` lists every file that belongs to the checkpoint, with weights that were left
    where they are; `stored` counts the elements of the weights by dtype, where the source says.
    """

    name: str
    source: str
    folder: str
    files: tuple[FileHash, ...]
    format: str | None = None
    """What the weights were quantized to, as in `--format`; `None` when they were not."""
    stored: tuple[tuple[str, int], ...] = ()
