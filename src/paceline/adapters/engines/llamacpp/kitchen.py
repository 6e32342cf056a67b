"""What GGUF checkpoints are made with, and running one of its programs."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.errors import CandidateError, Code, SetupError
from paceline.ports.engine import Say
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Environment
from paceline.records.model import Model

_TIMEOUT_S: Final = 3600.0
_TAIL_LINES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitchen:
    """Where, with what and, where an importance matrix is wanted, from which text."""

    model: Model
    environment: Environment
    cache: Path
    say: Say
    calibration: Calibration | None = None

    @property
    def root(self) -> Path:
        return self.cache / "artefacts" / "llamacpp"

    def program(self, name: str) -> str:
        """The path of one of llama.cpp's programs.

        Raises CandidateError when an installation of the user's own has it not.
        """
        path = Path(self.environment.bin_dir) / name
        if not path.is_file():
            raise refused(self.model, f"there is no {name} in {self.environment.bin_dir}")
        return str(path)


def run_tool(
    command: Sequence[str], variables: Mapping[str, str], kitchen: Kitchen, *, folder: Path
) -> str:
    """What the program said; it runs in `folder` with nothing but `variables`.

    Raises CandidateError with its last words when it refuses, SetupError when the disk is full.
    """
    try:
        done = subprocess.run(  # noqa: S603 - built here
            command,
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise refused(kitchen.model, f"not done after {_TIMEOUT_S:.0f} s") from error
    if done.returncode == 0:
        return done.stdout
    if "No space left on device" in done.stdout:
        raise SetupError(
            Code.DISK_FULL,
            f"the disk filled up while {kitchen.model.name!r} was converted",
            why=f"no space left under {kitchen.root}",
            fix="free space there, or set PACELINE_CACHE to a larger disk",
        )
    raise refused(kitchen.model, _reason(done.stdout, done.returncode))


def refused(model: Model, why: str) -> CandidateError:
    """The error of a model that these tools cannot make into GGUF."""
    return CandidateError(
        Code.ENGINE_FAILED,
        f"{model.name!r} cannot be made into GGUF",
        why=why,
        fix="leave llamacpp out with --engine",
    )


def _reason(output: str, exit_code: int) -> str:
    lines = [line for line in output.strip().splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:]) or f"the tool ended with {exit_code} and no words"
