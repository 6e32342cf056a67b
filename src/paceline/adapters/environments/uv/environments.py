"""One virtual environment per engine under the cache folder, made by uv.

A folder's name hashes what it was made from, so a changed pin makes a new one beside it. The
receipt file is written last: a folder without it is an interrupted installation and is made anew.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paceline.adapters.environments.uv.aliases import write_aliases
from paceline.adapters.environments.uv.failures import failure
from paceline.adapters.environments.uv.program import find_uv, freeze, run
from paceline.adapters.environments.uv.settings import pip_settings, torch_options, uv_variables
from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.records.launch import (
    Environment,
    EnvironmentSpec,
    EnvironmentState,
    EnvironmentStatus,
)

RECEIPT: Final = "paceline.json"
_HASH_LENGTH: Final = 12


class UvEnvironments:
    """An `Environments`. `cache` is Paceline's cache folder."""

    def __init__(self, cache: Path) -> None:
        self._root = cache / "engines"

    def folder(self, spec: EnvironmentSpec) -> Path:
        """Where the environment of a spec is or would be."""
        made_from = [
            spec.requirements,
            spec.overrides,
            platform.python_version(),
            platform.platform(terse=True),
            *([spec.aliases] if spec.aliases else []),  # without any, folders keep their names
        ]
        digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
        return self._root / f"{spec.name}-{digest[:_HASH_LENGTH]}"

    def status(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        own = _own_folder(spec)
        if own is not None:
            return _own_status(spec, own)
        folder = self.folder(spec)
        install = f"paceline engines install {spec.name}"
        if not (folder / RECEIPT).is_file():
            return _status(spec, EnvironmentState.ABSENT, f"not installed; run: {install}")
        environment = _read(spec, folder)
        if environment is None or not Path(environment.python).exists():
            detail = f"{folder} is damaged; run: {install}"
            return _status(spec, EnvironmentState.BROKEN, detail)
        return _status(spec, EnvironmentState.INSTALLED, str(folder), environment)

    def check(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        """Like `status`, and compares what is installed with what was (a second or two)."""
        status = self.status(spec)
        if status.environment is None or _own_folder(spec) is not None:
            return status
        found = freeze(find_uv(), status.environment.python)
        if found != status.environment.lock:
            changed = sorted(set(found) ^ set(status.environment.lock))
            detail = f"changed since installation: {', '.join(changed[:5])}"
            return _status(spec, EnvironmentState.BROKEN, detail, status.environment)
        return status

    def install(self, spec: EnvironmentSpec, *, say: Say) -> Environment:
        with _locked(self._root / f"{self.folder(spec).name}.lock", say):
            found = self.check(spec)
            if found.state is EnvironmentState.INSTALLED and found.environment is not None:
                return found.environment
            if _own_folder(spec) is not None:
                raise _own_is_broken(spec, found)
            return self._make(spec, say)

    def _make(self, spec: EnvironmentSpec, say: Say) -> Environment:
        uv = find_uv()
        folder = self.folder(spec)
        started_s = time.monotonic()
        say(f"installing {spec.name} into {folder}")
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            overrides = folder / "overrides.txt"
            overrides.write_text("\n".join(spec.overrides), encoding="utf-8")
        except OSError as error:
            raise failure(spec.name, str(error), self._root) from error
        variables = uv_variables(pip_settings(os.environ), os.environ)
        links = variables.get("UV_FIND_LINKS") or os.environ.get("UV_FIND_LINKS", "")
        python = folder / "bin" / "python"
        commands = [
            [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)],
            [
                *(uv, "pip", "install", "--python", str(python)),
                *(("--override", str(overrides)) if spec.overrides else ()),
                *torch_options(spec.requirements, links),
                *spec.requirements,
            ],
        ]
        for command in commands:
            code, output = run(command, variables, say)
            if code != 0:
                raise failure(spec.name, output, self._root)
        return self._finish(spec, folder, uv, time.monotonic() - started_s)

    def _finish(
        self, spec: EnvironmentSpec, folder: Path, uv: str, installed_s: float
    ) -> Environment:
        try:
            write_aliases(folder, spec.aliases)
        except OSError as error:
            raise failure(spec.name, str(error), self._root) from error
        lock = freeze(uv, str(folder / "bin" / "python"))
        receipt = {"requirements": spec.requirements, "lock": lock, "installed_s": installed_s}
        unfinished = folder / f"{RECEIPT}.new"
        try:
            unfinished.write_text(json.dumps(receipt, indent=1), encoding="utf-8")
            unfinished.replace(folder / RECEIPT)
        except OSError as error:
            raise failure(spec.name, str(error), self._root) from error
        return _environment(spec, folder / "bin", lock, installed_s)


def _own_folder(spec: EnvironmentSpec) -> Path | None:
    """The user's own installation: `PACELINE_ENGINE_<NAME>` names its folder of programs.

    The value `path` stands for wherever the engine's program lies on PATH.
    """
    value = os.environ.get(f"PACELINE_ENGINE_{spec.name.upper()}")
    if not value:
        return None
    if value != "path":
        return Path(value).expanduser().absolute()
    program = shutil.which(spec.program or spec.name)
    return Path(program).parent if program else Path("/nonexistent")


def _own_status(spec: EnvironmentSpec, bin_dir: Path) -> EnvironmentStatus:
    python = bin_dir / "python"
    if not python.exists():
        detail = f"PACELINE_ENGINE_{spec.name.upper()} is set, and {python} does not exist"
        return _status(spec, EnvironmentState.BROKEN, detail)
    try:
        lock = freeze(find_uv(), str(python))
    except SetupError as error:
        return _status(spec, EnvironmentState.BROKEN, error.why)
    environment = _environment(spec, bin_dir, lock, None)
    return _status(spec, EnvironmentState.INSTALLED, f"your own: {bin_dir}", environment)


def _own_is_broken(spec: EnvironmentSpec, status: EnvironmentStatus) -> SetupError:
    variable = f"PACELINE_ENGINE_{spec.name.upper()}"
    return SetupError(
        Code.ENGINE_NOT_INSTALLED,
        f"your own installation of {spec.name!r} cannot be used",
        why=status.detail,
        fix=f"mend it, or unset {variable} and run: paceline engines install {spec.name}",
    )


def _read(spec: EnvironmentSpec, folder: Path) -> Environment | None:
    try:
        lock = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))["lock"]
    except (OSError, ValueError, KeyError):
        return None
    return _environment(spec, folder / "bin", tuple(lock), None)


def _environment(
    spec: EnvironmentSpec, bin_dir: Path, lock: tuple[str, ...], installed_s: float | None
) -> Environment:
    return Environment(
        name=spec.name,
        python=str(bin_dir / "python"),
        bin_dir=str(bin_dir),
        lock=lock,
        lock_sha256=hashlib.sha256("\n".join(lock).encode()).hexdigest(),
        installed_s=installed_s,
    )


def _status(
    spec: EnvironmentSpec,
    state: EnvironmentState,
    detail: str,
    environment: Environment | None = None,
) -> EnvironmentStatus:
    return EnvironmentStatus(name=spec.name, state=state, detail=detail, environment=environment)


@contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    """Keeps two installations of one environment apart, also those of two Pacelines."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise failure(path.stem, str(error), path.parent) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another installation of the same environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
