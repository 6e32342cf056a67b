"""Makes a model folder with random weights; nothing appears at `out` before it is complete."""

import errno
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from paceline.adapters.hub.local.architectures import architecture_of, needed, sizes_of
from paceline.adapters.hub.local.dense import DenseTensor, dense_tensors
from paceline.adapters.hub.local.json_files import JsonObject
from paceline.adapters.hub.local.synth.marker import Marker, write_marker
from paceline.adapters.hub.local.synth.random_weights import DTYPES, ELEMENT_BYTES, write_weights
from paceline.adapters.hub.local.synth.source import CONFIG, name_of, read_shape
from paceline.adapters.hub.local.synth.tokenizer import (
    END_ID,
    PAD_ID,
    SPECIALS,
    check_vocabulary,
    write_tokenizer,
)
from paceline.errors import Code, PacelineError, SetupError, SpecError
from paceline.ports.engine import Say
from paceline.records.model import SynthPlan

TORCH_DTYPES: Final = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
DROPPED: Final = (
    "_name_or_path",  # of another model
    "auto_map",  # its code is not copied
    "dtype",  # written under its older name, which every engine reads
    "quantization_config",  # the new weights are plain
)
LAYOUT_VERSION: Final = "4.51.0"
"""The transformers whose keys are written (`torch_dtype`, `rope_theta`); later ones read them.
Without it transformers 5.5 takes a large vocabulary for a broken Mistral tokenizer and warns."""
TOKENIZER_BYTES: Final = 16_000_000
"""Room kept for the text files; a tokenizer of 150,000 tokens takes 5 MB."""


def plan_model(shape: str, *, dtype: str) -> SynthPlan:
    """What `make_model` would write. Raises SpecError like it."""
    return _plan(shape, read_shape(shape), dtype)


def make_model(shape: str, out: Path, *, dtype: str, seed: int, say: Say) -> None:
    """Write config, weights, tokenizer and marker to the new folder `out`.

    Raises SpecError: shape, dtype or seed is refused, `out` is taken or not writable; SetupError:
    the disk has no room.
    """
    config = read_shape(shape)
    plan = _plan(shape, config, dtype)
    _check_seed(seed)
    out = out.expanduser().absolute()
    try:
        _check_out(out, plan)
        with TemporaryDirectory(prefix=".paceline-synth-", dir=out.parent) as scratch:
            folder = Path(scratch) / "model"
            folder.mkdir()
            write_weights(
                folder,
                dense_tensors(config),
                dtype=dtype,
                seed=seed,
                silent_tokens=len(SPECIALS),
                say=say,
            )
            _write_text_files(folder, config, dtype)
            write_marker(folder, Marker(trained=False, shape=plan.shape, seed=seed))
            folder.rename(out)
    except OSError as error:
        raise _unwritable(out, error) from error


def _plan(shape: str, config: JsonObject, dtype: str) -> SynthPlan:
    if dtype not in DTYPES:
        raise SpecError(
            Code.BAD_OPTION,
            f"cannot write weights as {dtype!r}",
            why=f"known: {', '.join(DTYPES)}; other formats are made by quantizing one of these",
            fix="--dtype bf16",
        )
    vocab_size = needed(config, "vocab_size")
    check_vocabulary(vocab_size)
    parameters = _elements(dense_tensors(config))
    return SynthPlan(
        shape=name_of(shape),
        architecture=architecture_of(config),
        dtype=dtype,
        parameters=parameters,
        weight_bytes=parameters * ELEMENT_BYTES[dtype],
        vocab_size=vocab_size,
    )


def _elements(tensors: tuple[DenseTensor, ...]) -> int:
    return sum(tensor.elements for tensor in tensors)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise SpecError(
            Code.BAD_OPTION,
            f"the seed {seed} cannot be used",
            why=f"seeds are integers from 0, found {seed}",
            fix="--seed 0",
        )


def _check_out(out: Path, plan: SynthPlan) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SpecError(
            Code.BAD_OPTION,
            f"{str(out)!r} is taken",
            why="a model is written to a new or empty folder only; nothing was changed",
            fix="name another folder, or remove this one",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(out.parent).free
    need_bytes = plan.weight_bytes + TOKENIZER_BYTES
    if need_bytes > free_bytes:
        raise SetupError(
            Code.DISK_FULL,
            f"{plan.shape!r} in {plan.dtype} does not fit on the disk of {str(out.parent)!r}",
            why=f"needs {need_bytes / 1e9:,.2f} GB, {free_bytes / 1e9:,.2f} GB are free",
            fix="free some space, name a folder on another disk, or choose a smaller shape",
        )


def _unwritable(out: Path, error: OSError) -> PacelineError:
    what, why = f"cannot write the model to {str(out)!r}", f"{error.strerror} (errno {error.errno})"
    if error.errno == errno.ENOSPC:
        fix = "free some space, or name a folder on another disk"
        return SetupError(Code.DISK_FULL, what, why=why, fix=fix)
    return SpecError(Code.BAD_OPTION, what, why=why, fix="name a folder that you may write to")


def _write_text_files(folder: Path, config: JsonObject, dtype: str) -> None:
    ids = {"bos_token_id": None, "eos_token_id": END_ID, "pad_token_id": PAD_ID}
    kept = {key: value for key, value in config.items() if key not in DROPPED}
    written = {
        **kept,
        **ids,
        "architectures": [architecture_of(config)],
        "torch_dtype": TORCH_DTYPES[dtype],
        "transformers_version": LAYOUT_VERSION,
    }
    _write_json(folder / CONFIG, written)
    generation = {"do_sample": False, "eos_token_id": END_ID, "pad_token_id": PAD_ID}
    _write_json(folder / "generation_config.json", generation)
    write_tokenizer(
        folder,
        vocab_size=needed(config, "vocab_size"),
        max_tokens=sizes_of(config).max_context_tokens,
    )


def _write_json(path: Path, value: JsonObject) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
