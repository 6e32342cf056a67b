"""Programs built with CMake under the cache folder, beside the Python environment of their tools.

Adds to another `Environments` (which makes the Python part) what `EnvironmentSpec.source` asks for;
a spec without a source is passed on as it is. A folder's name hashes what it was made from and the
machine, whose instructions the compiler uses. The receipt is written last: a folder without it is
an interrupted build, which the next installation goes on with.
"""

import fcntl
import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from paceline.adapters.environments.cmake.build import Build
from paceline.adapters.environments.cmake.own import OwnPrograms, own_programs
from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.ports.environment import Environments
from paceline.records.launch import (
    Environment,
    EnvironmentSpec,
    EnvironmentState,
    EnvironmentStatus,
    SourceBuild,
)

RECEIPT: Final = "paceline.json"
_TOOLS: Final = "-tools"
_HASH_LENGTH: Final = 12
_BLOCK_BYTES: Final = 2**20


class CmakeEnvironments:
    """An `Environments`. `cache` is Paceline's cache folder, `python` makes the Python part."""

    def __init__(self, cache: Path, *, python: Environments) -> None:
        self._root = cache / "engines"
        self._python = python

    def folder(self, spec: EnvironmentSpec, source: SourceBuild) -> Path:
        """Where the programs and the source of a spec are or would be."""
        made_from = [
            *(source.sdist, source.sha256, source.folder, source.options, source.targets),
            *(platform.machine(), platform.libc_ver(), _processor()),
        ]
        digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
        return self._root / f"{spec.name}-built-{digest[:_HASH_LENGTH]}"

    def status(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        return self._status(spec, examine=False)

    def check(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        """Like `status`; compares the Python part and hashes the programs (a second or two)."""
        return self._status(spec, examine=True)

    def install(self, spec: EnvironmentSpec, *, say: Say) -> Environment:
        source = spec.source
        if source is None:
            return self._python.install(spec, say=say)
        with _locked(self._root / f"{self.folder(spec, source).name}.lock", say):
            found = self.check(spec)
            if found.state is EnvironmentState.INSTALLED and found.environment is not None:
                return found.environment
            return self._make(spec, source, say)

    def _status(self, spec: EnvironmentSpec, *, examine: bool) -> EnvironmentStatus:
        source = spec.source
        look = self._python.check if examine else self._python.status
        if source is None:
            return look(spec)
        folder = self.folder(spec, source)
        install = f"paceline engines install {spec.name}"
        receipt = _receipt(folder)
        if receipt is None:
            what = "the build was interrupted" if folder.exists() else "not installed"
            return _state(spec, EnvironmentState.ABSENT, f"{what}; run: {install}")
        tools = look(_tools(spec))
        try:
            own = own_programs(spec, source)
        except SetupError as error:
            return _state(spec, EnvironmentState.BROKEN, error.why)
        fault = _fault_of_tools(tools, folder) or (
            None if own else _fault(folder / "bin", source, receipt, examine=examine)
        )
        if fault is not None or tools.environment is None:
            return _state(spec, EnvironmentState.BROKEN, f"{fault}; run: {install}")
        found = _environment(source, tools.environment, own, folder)
        where = f"your own: {own.folder}, tools in {folder}" if own else str(folder)
        return EnvironmentStatus(
            name=spec.name, state=EnvironmentState.INSTALLED, detail=where, environment=found
        )

    def _make(self, spec: EnvironmentSpec, source: SourceBuild, say: Say) -> Environment:
        started_s = time.monotonic()
        own = own_programs(spec, source)
        folder = self.folder(spec, source)
        bin_dir = own.folder if own else folder / "bin"
        receipt = _receipt(folder)
        missing = receipt is None or _fault(bin_dir, source, receipt, examine=True) is not None
        build = Build(spec.name, source, folder, say=say)
        if own is None and missing:
            build.check_tools()
        tools = self._python.install(_tools(spec), say=say)
        unpacked = build.fetch(tools.python)
        if own is not None:
            say(f"{spec.name}: your own programs in {own.folder} are used, nothing is built")
            build.keep(RECEIPT, json.dumps({**(receipt or {}), "sdist": source.sdist}, indent=1))
        elif missing:
            programs = {path.name: _sha256(path) for path in build.compile(unpacked)}
            build.keep(RECEIPT, json.dumps({"sdist": source.sdist, "programs": programs}, indent=1))
        return replace(
            _environment(source, tools, own, folder),
            installed_s=time.monotonic() - started_s,
        )


def _tools(spec: EnvironmentSpec) -> EnvironmentSpec:
    """The Python part under a name of its own, so that the two are never taken for each other."""
    return replace(spec, name=f"{spec.name}{_TOOLS}", program=None, source=None)


def _environment(
    source: SourceBuild, tools: Environment, own: OwnPrograms | None, folder: Path
) -> Environment:
    """What is installed. Programs that were built are what their source makes them; others are
    told apart by their files."""
    programs = [own.folder / name for name in source.programs] if own else []
    others = [f"{program.name} # {_identity(program)}" for program in programs]
    lock = (*tools.lock, f"{source.sdist} # source, sha256 {source.sha256}", *others)
    return Environment(
        name=tools.name.removesuffix(_TOOLS),
        python=tools.python,
        bin_dir=str(own.folder if own else folder / "bin"),
        lock=lock,
        lock_sha256=hashlib.sha256("\n".join(lock).encode()).hexdigest(),
        source_dir=str(folder / "source" / source.folder),
    )


def _identity(program: Path) -> str:
    """Size and time tell one build from the next without reading it whole at every look."""
    stat = program.stat()
    return f"{stat.st_size} bytes of {time.strftime('%F %T', time.gmtime(stat.st_mtime))} UTC"


def _fault_of_tools(tools: EnvironmentStatus, folder: Path) -> str | None:
    """What is wrong with what converts checkpoints; `None` when nothing is."""
    if tools.state is not EnvironmentState.INSTALLED:
        return f"its Python tools are {tools.state.value}"
    return None if (folder / "source").is_dir() else "its source is gone"


def _fault(
    bin_dir: Path, source: SourceBuild, receipt: Mapping[str, object], *, examine: bool
) -> str | None:
    """What is wrong with the built programs; `None` when nothing is."""
    missing = [name for name in source.programs if not (bin_dir / name).is_file()]
    if missing:
        return f"{bin_dir} lacks {', '.join(missing)}"
    programs = receipt.get("programs")
    if not examine or not isinstance(programs, dict):
        return None
    changed = [name for name in source.programs if programs.get(name) != _sha256(bin_dir / name)]
    return f"changed since they were built: {', '.join(changed)}" if changed else None


def _receipt(folder: Path) -> Mapping[str, object] | None:
    try:
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return receipt if isinstance(receipt, dict) else None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _processor() -> str:
    """The flags of this processor: what is built for it may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _state(spec: EnvironmentSpec, state: EnvironmentState, detail: str) -> EnvironmentStatus:
    return EnvironmentStatus(name=spec.name, state=state, detail=detail)


@contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    """Keeps two builds of one engine apart, also those of two Pacelines."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            "the engine cache cannot be written",
            why=f"{path.parent}: {error.strerror}",
            fix="give yourself write access there, or set PACELINE_CACHE",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build of the same engine")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
