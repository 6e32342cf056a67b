"""The uv program: where it is, and running it."""

import os
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from paceline.adapters.environments.uv.failures import failure
from paceline.errors import Code, SetupError
from paceline.ports.engine import Say

_KEPT_LINES: Final = 400


def find_uv() -> str:
    """The uv program: of the `uv` package, else on PATH. Raises SetupError when there is none."""
    try:
        return find_uv_bin()
    except FileNotFoundError:
        found = shutil.which("uv")
    if found is None:
        raise SetupError(
            Code.INSTALL_FAILED,
            "uv is not installed",
            why="neither the Python package 'uv' nor a program 'uv' on PATH was found",
            fix=f"{sys.executable} -m pip install uv",
        )
    return found


def run(command: list[str], variables: dict[str, str], say: Say) -> tuple[int, str]:
    """Run uv, pass its progress on line by line; exit code and the last lines of output."""
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(  # noqa: S603 - built above from our own specs
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **variables, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"},
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            kept.append(line)
            if line.strip() and not line.startswith(" + "):
                say(line.strip())
    return process.returncode, "".join(kept)


def freeze(uv: str, python: str) -> tuple[str, ...]:
    """Every distribution with its exact version, sorted. Raises SetupError when unreadable."""
    done = subprocess.run(  # noqa: S603 - as above
        [uv, "pip", "freeze", "--quiet", "--python", python],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise failure(Path(python).parent.parent.name, done.stderr, Path(python).parent)
    return tuple(sorted(line for line in done.stdout.splitlines() if line))
