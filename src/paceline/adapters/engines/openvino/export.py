"""Makes OpenVINO checkpoints with optimum and NNCF, once per model, recipe and exporter version.

An artefact's folder is named by a hash of everything it was made from. It is made beside and
renamed when whole, so what is there under its name is complete.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paceline.errors import CandidateError, Code, SetupError
from paceline.ports.engine import Say
from paceline.records.launch import Artefact, Environment
from paceline.records.model import Model

RECIPES: Final = {
    "fp16": ("--weight-format", "fp16"),
    "int8": ("--weight-format", "int8"),
    # All layers in 4 bits (the last one and the embeddings stay in 8, NNCF's default); layers whose
    # width 128 does not divide get the largest group that does.
    "int4": (
        *("--weight-format", "int4", "--ratio", "1.0"),
        *("--group-size", "128", "--group-size-fallback", "adjust"),
    ),
}
_EXPORTERS: Final = ("optimum-intel", "optimum", "nncf", "openvino", "openvino-tokenizers", "torch")
_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_RECEIPT: Final = "paceline.json"
_TASK: Final = "text-generation-with-past"
_TIMEOUT_S: Final = 3600.0
_TAIL_LINES: Final = 8


def find_or_make(
    model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
) -> Artefact:
    """The artefact; seconds to minutes and up to twice the model's memory when it is made.

    Raises CandidateError when the exporter refuses the model, SetupError when the disk is full.
    """
    recipe = _recipe(format_, environment)
    made_from = json.dumps([model.sha256, recipe])
    sha256 = hashlib.sha256(made_from.encode()).hexdigest()
    root = cache / "artefacts" / "openvino"
    folder = root / f"{format_}-{sha256[:24]}"
    prepared_s = None
    try:
        with _locked(root / f"{folder.name}.lock"):
            if not (folder / _RECEIPT).is_file():
                say(f"exporting {model.name} to {format_}")
                started_s = time.monotonic()
                _make(model, RECIPES[format_], environment, folder, recipe)
                prepared_s = time.monotonic() - started_s
    except OSError as error:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            f"the exported model cannot be written under {root}",
            why=str(error),
            fix="free space or give write access there, or set PACELINE_CACHE",
        ) from error
    return Artefact(
        folder=str(folder),
        format=format_,
        sha256=sha256,
        size_bytes=sum(file.stat().st_size for file in folder.iterdir()),
        recipe=recipe,
        prepared_s=prepared_s,
    )


def _recipe(format_: str, environment: Environment) -> str:
    """The exporter's command line and the versions that decide what comes out."""
    versions = [line for line in environment.lock if line.partition("==")[0] in _EXPORTERS]
    return " ".join(["optimum-cli export openvino", *RECIPES[format_], "#", *versions])


def _make(
    model: Model, flags: Sequence[str], environment: Environment, folder: Path, recipe: str
) -> None:
    prefix = f".{folder.name}-"
    for leftover in folder.parent.glob(f"{prefix}*"):  # of a killed export; the lock is ours
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as scratch:
        output = Path(scratch) / "model"
        _export(model, flags, environment, output)
        receipt = {"model": model.name, "model_sha256": model.sha256, "recipe": recipe}
        (output / _RECEIPT).write_text(json.dumps(receipt, indent=1), encoding="utf-8")
        if folder.exists():  # without its receipt: left by an earlier version or by hand
            shutil.rmtree(folder)
        output.rename(folder)


def _export(model: Model, flags: Sequence[str], environment: Environment, output: Path) -> None:
    command = [
        *(environment.python, str(_RUN), "openvino_server.export", "export", "openvino"),
        *("--model", model.folder, "--task", _TASK, *flags, str(output)),
    ]
    variables = {
        "PATH": environment.bin_dir,
        "HOME": str(output.parent),  # telemetry and caches of the tools go with the scratch folder
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TMPDIR": str(output.parent),
    }
    try:
        done = subprocess.run(  # noqa: S603 - built here
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(model, f"not done after {_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        if "No space left on device" in done.stdout:
            raise SetupError(
                Code.DISK_FULL,
                f"the disk filled up while {model.name!r} was exported",
                why=f"no space left under {output.parent.parent}",
                fix="free space there, or set PACELINE_CACHE to a larger disk",
            )
        raise _refused(model, _reason(done.stdout, done.returncode))


def _refused(model: Model, why: str) -> CandidateError:
    return CandidateError(
        Code.ENGINE_FAILED,
        f"{model.name!r} cannot be exported to OpenVINO",
        why=why,
        fix="leave openvino out with --engine, or update its environment",
    )


def _reason(output: str, exit_code: int) -> str:
    lines = [line for line in output.strip().splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:]) or f"the exporter ended with {exit_code} and no words"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps two exports of one artefact apart, also those of two Pacelines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
