"""Makes GGUF checkpoints, once per model, recipe and version of the tools.

An artefact's folder is named by a hash of everything it was made from. It is made beside and
renamed when whole, so what is there under its name is complete. A quantized one is made from the
unquantized one, which stays in the cache.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.adapters.engines.llamacpp.formats import BASE, QUANTIZED
from paceline.errors import CandidateError, Code, SetupError
from paceline.ports.engine import Say
from paceline.records.launch import Artefact, Environment
from paceline.records.model import Model

FILE: Final = "model.gguf"
_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_RECEIPT: Final = "paceline.json"
_TOOLS: Final = ("llama-cpp-python", "torch", "transformers", "llama-quantize")
_TIMEOUT_S: Final = 3600.0
_TAIL_LINES: Final = 8
_PRE_TOKENIZER: Final = re.compile(r"^(pre-tokenizer: .+)$", re.MULTILINE)
_BECAME: Final = re.compile(r"converting to (\w+)")
_BITS: Final = re.compile(r"quant size .*\(([\d.]+) BPW\)")
_FELL_BACK: Final = re.compile(r"(\d+) of (\d+) tensor\(s\) required fallback quantization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitchen:
    """Where and with what checkpoints are made."""

    model: Model
    environment: Environment
    cache: Path
    say: Say

    @property
    def root(self) -> Path:
        return self.cache / "artefacts" / "llamacpp"


def find_or_make(format_: str, kitchen: Kitchen) -> Artefact:
    """The artefact; seconds to minutes, and three times the model's size on disk, when it is made.

    Raises CandidateError when the tools refuse the model, SetupError when the disk is full.
    """
    base = None if format_ == BASE else find_or_make(BASE, kitchen)
    recipe = _recipe(format_, kitchen.environment)
    made_from = json.dumps([kitchen.model.sha256, recipe])
    sha256 = hashlib.sha256(made_from.encode()).hexdigest()
    folder = kitchen.root / f"{format_}-{sha256[:24]}"
    prepared_s = None
    try:
        with _locked(kitchen.root / f"{folder.name}.lock"):
            if not (folder / _RECEIPT).is_file():
                kitchen.say(f"making {kitchen.model.name} in {format_}")
                started_s = time.monotonic()
                _make(format_, kitchen, base, folder, recipe)
                prepared_s = time.monotonic() - started_s
        noted = json.loads((folder / _RECEIPT).read_text(encoding="utf-8"))["recipe"]
    except OSError as error:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            f"the checkpoint cannot be written under {kitchen.root}",
            why=str(error),
            fix="free space or give write access there, or set PACELINE_CACHE",
        ) from error
    if prepared_s is not None and base is not None:
        prepared_s += base.prepared_s or 0.0
    return Artefact(
        folder=str(folder),
        format=format_,
        sha256=sha256,
        size_bytes=(folder / FILE).stat().st_size,
        recipe=noted,
        prepared_s=prepared_s,
    )


def _recipe(format_: str, environment: Environment) -> str:
    """The command lines and the versions that decide what comes out."""
    steps = ["convert_hf_to_gguf --outtype bf16"]
    if format_ != BASE:
        steps.append(f"llama-quantize {QUANTIZED[format_]}")
    pins = (line.partition(" #") for line in environment.lock)
    versions = [f"{pin}{mark}{rest}" for pin, mark, rest in pins if _names_a_tool(pin)]
    return " ".join([" | ".join(steps), "#", *versions])


def _names_a_tool(pin: str) -> bool:
    return pin.partition("==")[0] in _TOOLS


def _make(format_: str, kitchen: Kitchen, base: Artefact | None, folder: Path, recipe: str) -> None:
    prefix = f".{folder.name}-"
    for leftover in folder.parent.glob(f"{prefix}*"):  # of a killed conversion; the lock is ours
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as scratch:
        output = Path(scratch) / "model"
        output.mkdir()
        if base is None:
            notes = _convert(kitchen, output / FILE, scratch)
        else:
            notes = _quantize(format_, kitchen, Path(base.folder) / FILE, output / FILE)
        receipt = {
            "model": kitchen.model.name,
            "model_sha256": kitchen.model.sha256,
            "recipe": "; ".join([recipe, *notes]),
        }
        (output / _RECEIPT).write_text(json.dumps(receipt, indent=1), encoding="utf-8")
        if folder.exists():  # without its receipt: left by an earlier version or by hand
            shutil.rmtree(folder)
        output.rename(folder)


def _convert(kitchen: Kitchen, output: Path, scratch: str) -> list[str]:
    """safetensors → GGUF; says which pre-tokenizer was found where the converter knew none."""
    environment = kitchen.environment
    variables = {
        "PATH": environment.bin_dir,
        "HOME": scratch,  # caches of the tools go with the scratch folder
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONNOUSERSITE": "1",
        "TMPDIR": scratch,
    }
    command = [
        *(environment.python, str(_RUN), "gguf_convert", environment.source_dir or ""),
        *(kitchen.model.folder, "--outtype", "bf16", "--outfile", str(output)),
        *("--model-name", kitchen.model.name),
    ]
    said = _run(command, variables, kitchen)
    return _PRE_TOKENIZER.findall(said)


def _quantize(format_: str, kitchen: Kitchen, source: Path, output: Path) -> list[str]:
    """GGUF → smaller GGUF; says what became of the tensors, since no format is one type only.

    Blocks of k-quants are 256 weights long. A tensor with other rows gets another, larger type.
    """
    program = Path(kitchen.environment.bin_dir) / "llama-quantize"
    threads = str(os.cpu_count() or 1)
    command = [str(program), str(source), str(output), QUANTIZED[format_], threads]
    said = _run(command, {"PATH": kitchen.environment.bin_dir}, kitchen)
    became = Counter(_BECAME.findall(said)).most_common()
    notes = [", ".join(f"{count} tensors {kind}" for kind, count in became)]
    notes += [f"{bits} bits per weight in all" for bits in _BITS.findall(said)]
    notes += [
        f"{count} of {of} tensors have another type than asked: 256 does not divide their rows"
        for count, of in _FELL_BACK.findall(said)
    ]
    return notes


def _run(command: Sequence[str], variables: Mapping[str, str], kitchen: Kitchen) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - built here
            command,
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
        raise _refused(kitchen.model, f"not done after {_TIMEOUT_S:.0f} s") from error
    if done.returncode == 0:
        return done.stdout
    if "No space left on device" in done.stdout:
        raise SetupError(
            Code.DISK_FULL,
            f"the disk filled up while {kitchen.model.name!r} was converted",
            why=f"no space left under {kitchen.root}",
            fix="free space there, or set PACELINE_CACHE to a larger disk",
        )
    raise _refused(kitchen.model, _reason(done.stdout, done.returncode))


def _refused(model: Model, why: str) -> CandidateError:
    return CandidateError(
        Code.ENGINE_FAILED,
        f"{model.name!r} cannot be made into GGUF",
        why=why,
        fix="leave llamacpp out with --engine",
    )


def _reason(output: str, exit_code: int) -> str:
    lines = [line for line in output.strip().splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:]) or f"the tool ended with {exit_code} and no words"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps two conversions into one artefact apart, also those of two Pacelines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
