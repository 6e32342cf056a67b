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
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paceline.adapters.engines.llamacpp.formats import BASE, CALIBRATED, QUANTIZED
from paceline.adapters.engines.llamacpp.imatrix import CHUNK_TOKENS, importance_matrix
from paceline.adapters.engines.llamacpp.kitchen import Kitchen, refused, run_tool
from paceline.errors import Code, SetupError
from paceline.records.launch import Artefact

FILE: Final = "model.gguf"
_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_RECEIPT: Final = "paceline.json"
_TOOLS: Final = ("llama-cpp-python", "torch", "transformers", "llama-quantize")
_PRE_TOKENIZER: Final = re.compile(r"^(pre-tokenizer: .+)$", re.MULTILINE)
_BECAME: Final = re.compile(r"converting to (\w+)")
_BITS: Final = re.compile(r"quant size .*\(([\d.]+) BPW\)")
_FELL_BACK: Final = re.compile(r"(\d+) of (\d+) tensor\(s\) required fallback quantization")


def find_or_make(format_: str, kitchen: Kitchen) -> Artefact:
    """The artefact; seconds to minutes, and three times the model's size on disk, when it is made.

    Raises CandidateError when the tools refuse the model, SetupError when the disk is full.
    """
    if format_ in CALIBRATED and kitchen.calibration is None:
        raise refused(kitchen.model, f"{format_} needs a text to see which weights matter")
    base = None if format_ == BASE else find_or_make(BASE, kitchen)
    recipe = _recipe(format_, kitchen)
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


def _recipe(format_: str, kitchen: Kitchen) -> str:
    """The command lines, the text and the versions that decide what comes out."""
    steps, environment = ["convert_hf_to_gguf --outtype bf16"], kitchen.environment
    if format_ in CALIBRATED and kitchen.calibration is not None:
        text = kitchen.calibration
        steps.append(f"llama-imatrix -c {CHUNK_TOKENS} of {text.name} {text.sha256[:12]}")
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
            source = Path(base.folder) / FILE
            notes = _quantize(format_, kitchen, source, output / FILE, Path(scratch))
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
    said = run_tool(command, variables, kitchen, folder=Path(scratch))
    return _PRE_TOKENIZER.findall(said)


def _quantize(
    format_: str, kitchen: Kitchen, source: Path, output: Path, scratch: Path
) -> list[str]:
    """GGUF → smaller GGUF; says what became of the tensors, since no format is one type only.

    Blocks of k-quants are 256 weights long. A tensor with other rows gets another, larger type.
    """
    calibrated = format_ in CALIBRATED
    matrix = ("--imatrix", importance_matrix(kitchen, source, scratch)) if calibrated else ()
    threads = str(os.cpu_count() or 1)
    command = [kitchen.program("llama-quantize"), *matrix, str(source), str(output)]
    command += [QUANTIZED[format_], threads]
    said = run_tool(command, {"PATH": kitchen.environment.bin_dir}, kitchen, folder=scratch)
    became = Counter(_BECAME.findall(said)).most_common()
    notes = [", ".join(f"{count} tensors {kind}" for kind, count in became)]
    notes += [f"{bits} bits per weight in all" for bits in _BITS.findall(said)]
    notes += [
        f"{count} of {of} tensors have another type than asked: 256 does not divide their rows"
        for count, of in _FELL_BACK.findall(said)
    ]
    return notes


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps two conversions into one artefact apart, also those of two Pacelines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
