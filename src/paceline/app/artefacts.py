"""The cache of made checkpoints: what is in it, who uses it, and what goes when it is too large.

Every tool keeps its artefacts as `artefacts/TOOL/NAME/`, complete as soon as the folder has its
name. A user holds `NAME.use` (shared); whoever makes one holds `NAME.lock` (exclusive). Eviction
takes both exclusively, so nothing that is made or used can go, and a killed process lets go by
itself. What a version of a pipeline stands on stays, whatever its age.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.app.wiring import Workshop
from paceline.errors import CandidateError, Code, SpecError
from paceline.ports.engine import Say
from paceline.ports.store import Store
from paceline.records.launch import Artefact
from paceline.units import format_bytes, parse_bytes

LIMIT_VARIABLE: Final = "PACELINE_CACHE_LIMIT"
DEFAULT_LIMIT: Final = "100GB"
_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One artefact in the cache. `stays` says why it cannot be removed now, `None` when it can."""

    tool: str
    name: str
    folder: str
    size_bytes: int
    used_at_s: float
    """Seconds since 1970; of its making when it was never used."""
    stays: str | None


def cache_limit_bytes(text: str | None = None) -> int:
    """The size that the cache may have: `text`, else `PACELINE_CACHE_LIMIT`, else 100 GB.

    Raises SpecError when it is no size.
    """
    wanted = text or os.environ.get(LIMIT_VARIABLE) or DEFAULT_LIMIT
    found = parse_bytes(wanted)
    if found is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"{wanted!r} is no size",
            why="a size is a number and kB, MB, GB, TB, KiB, MiB, GiB or TiB",
            fix=f"--limit 50GB, or {LIMIT_VARIABLE}=50GB",
        )
    return found


def deployed(store: Store) -> dict[str, str]:
    """Folder of every artefact that a version stands on → which version, in words."""
    found: dict[str, str] = {}
    for pipeline in store.pipelines():
        for version in store.versions(pipeline.name):
            for trial in store.trials(version.run_id):
                artefact = trial.provenance.artefact
                if artefact is not None and trial.variant == version.variant:
                    found[artefact.folder] = f"version {version.number} of {pipeline.name!r}"
    return found


def kept(cache: Path, stays: Mapping[str, str]) -> tuple[Kept, ...]:
    """Every artefact, least recently used first. `stays` is what `deployed` returns."""
    folders = sorted(
        folder
        for tool in (cache / "artefacts").glob("*")
        if tool.is_dir()
        for folder in tool.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    )
    return tuple(sorted((_kept(f, stays) for f in folders), key=lambda one: one.used_at_s))


def prune(cache: Path, limit_bytes: int, stays: Mapping[str, str]) -> tuple[Kept, ...]:
    """Remove the least recently used until the cache is within its limit; what was removed.

    The cache stays larger when the rest is deployed or in use.
    """
    for leftover in (cache / "artefacts").glob("*/.trash-*"):  # of a killed removal
        shutil.rmtree(leftover, ignore_errors=True)
    there = kept(cache, stays)
    size_bytes = sum(one.size_bytes for one in there)
    removed = []
    for one in there:
        if size_bytes <= limit_bytes:
            break
        if one.stays is None and _remove(Path(one.folder)):
            size_bytes -= one.size_bytes
            removed.append(one)
    return tuple(removed)


def make_room(shop: Workshop, say: Say, *, limit: str | None = None) -> tuple[Kept, ...]:
    """Bring the cache within its limit (`limit`, else as configured); what was removed."""
    cache = shop.places.cache
    removed = prune(cache, cache_limit_bytes(limit), deployed(shop.store))
    for one in removed:
        say(f"removed {one.tool}/{one.name} ({format_bytes(one.size_bytes)}) from the cache")
    return removed


@contextmanager
def held(make: Callable[[], Artefact], cache: Path) -> Iterator[Artefact]:
    """What `make` gives, in use while the context lasts: nobody evicts it meanwhile.

    Between its making and its use someone may have removed it; then it is made again. What lies
    outside the cache (a model used as it is) is not held.
    """
    for _ in range(_TRIES):
        artefact = make()
        folder = Path(artefact.folder)
        if not folder.is_relative_to(cache / "artefacts"):
            yield artefact
            return
        with ExitStack() as stack:
            stack.enter_context(_locked(_use(folder), fcntl.LOCK_SH))
            if folder.is_dir():
                os.utime(_use(folder))
                yield artefact
                return
    raise CandidateError(
        Code.CACHE_UNWRITABLE,
        "a made checkpoint was removed before it could be used",
        why=f"{_TRIES} times in a row, by another process",
        fix="raise the cache's limit (PACELINE_CACHE_LIMIT), or end the process that empties it",
    )


def _kept(folder: Path, stays: Mapping[str, str]) -> Kept:
    reason = "in use" if not _free(folder) else None
    return Kept(
        tool=folder.parent.name,
        name=folder.name,
        folder=str(folder),
        size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        used_at_s=_use(folder).stat().st_mtime,
        stays=stays.get(str(folder), reason),
    )


def _free(folder: Path) -> bool:
    try:
        with _alone(folder):
            return True
    except BlockingIOError:
        return False


def _remove(folder: Path) -> bool:
    """Take it away unless someone came meanwhile. Renamed first, so that it is never half there."""
    try:
        with _alone(folder):
            trash = folder.with_name(f".trash-{folder.name}")
            folder.rename(trash)
            shutil.rmtree(trash)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises BlockingIOError when someone makes or uses it."""
    if not _use(folder).exists():  # never used: what counts is when it was made
        made_at_s = folder.stat().st_mtime
        _use(folder).touch()
        os.utime(_use(folder), (made_at_s, made_at_s))
    now = fcntl.LOCK_EX | fcntl.LOCK_NB
    with _locked(folder.with_name(f"{folder.name}.lock"), now), _locked(_use(folder), now):
        yield


def _use(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.use")


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """The lock files stay: removing one would let two processes lock two files of one name."""
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield
