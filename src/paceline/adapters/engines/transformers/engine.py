"""`transformers serve` as it comes: one request at a time, or continuous batching by a knob.

What is known of its HTTP face (5.23): usage comes in the last chunk without being asked for, there
is no `[DONE]`; fields it does not know are refused with 422; with continuous batching the sampling
settings of the first request hold for all, so the first one must be greedy if the load is.
"""

import json
from pathlib import Path
from typing import Final

from paceline.adapters.engines.transformers.signs import SIGNS
from paceline.errors import CandidateError, Code
from paceline.ports.engine import Say
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.launch import (
    Artefact,
    Cause,
    Environment,
    EnvironmentSpec,
    LaunchSpec,
    ProcessEnd,
)
from paceline.records.log_signs import cause_of
from paceline.records.model import Model
from paceline.records.variant import Knob, Variant
from paceline.units import BYTES_PER_GIB

VERSION: Final = "5.23.0"
_ENVIRONMENT: Final = EnvironmentSpec(
    name="transformers",
    requirements=("torch==2.13.0", f"transformers[serving]=={VERSION}"),
    program="transformers",
)
_DTYPES: Final = {"bf16": "bfloat16"}
_KNOBS: Final = (
    Knob(
        name="continuous_batching",
        values=(False, True),
        when="more than one request at a time",
    ),
)
# Importing torch takes seconds on a quiet machine and half a minute on a busy one.
_START_S: Final = 180.0
_START_S_PER_GIB: Final = 30.0
# Left to itself it took 13.8 of 24 GiB for the KV cache of a 5M-parameter model (docs/log.md).
_BATCHING_FLAGS: Final = ("--continuous-batching", "--cb-max-memory-percent", "0.2")
# With continuous batching the worker thread takes 2 s to stop.
_GRACE_S: Final = 5.0


class Transformers:
    """An `Engine`."""

    name = "transformers"
    version = VERSION

    def environment(self) -> EnvironmentSpec | None:
        return _ENVIRONMENT

    def knobs(self) -> tuple[Knob, ...]:
        return _KNOBS

    def formats(self) -> tuple[str, ...]:
        return tuple(_DTYPES)

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        if format_ not in _DTYPES:
            return f"transformers serves {', '.join(_DTYPES)}, not {format_}"
        if accelerator.kind is not AcceleratorKind.CPU:
            return f"this adapter runs on processors, not on a {accelerator.kind}"
        if not model.has_chat_template:
            return "the model has no chat template"
        return None

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        """The model folder itself, through a link where the server could not read its path."""
        del environment, say
        return Artefact(
            folder=_readable_path(Path(model.folder), cache),
            format=format_,
            sha256=model.sha256,
            size_bytes=model.weight_bytes,
        )

    def launch(
        self,
        variant: Variant,
        artefact: Artefact,
        *,
        model: Model,
        environment: Environment,
        accelerator: Accelerator,
        port: int,
    ) -> LaunchSpec:
        del model
        batching = bool(dict(variant.knobs).get("continuous_batching"))
        return LaunchSpec(
            argv=(
                *(str(Path(environment.bin_dir) / "transformers"), "serve", artefact.folder),
                *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
                *("--dtype", _DTYPES[variant.format], *(_BATCHING_FLAGS if batching else ())),
            ),
            env={
                "HF_HUB_OFFLINE": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "OMP_NUM_THREADS": str(accelerator.threads),
                "PYTHONUNBUFFERED": "1",
            },
            port=port,
            ready_path="/health",
            model_name=artefact.folder,
            grace_s=_GRACE_S,
            ready_timeout_s=_START_S + _START_S_PER_GIB * artefact.size_bytes / BYTES_PER_GIB,
            exact_output=(("generation_config", _endless(Path(artefact.folder))),),
        )

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, SIGNS)


def _readable_path(folder: Path, cache: Path) -> str:
    """The server takes what follows an `@` for a revision, so such a path goes by a link."""
    if "@" not in str(folder):
        return str(folder)
    link = cache / "links" / f"{folder.name.replace('@', '-')}-{folder.stat().st_ino}"
    if "@" in str(link):
        raise CandidateError(
            Code.UNSUPPORTED,
            "transformers cannot load a model whose path contains '@'",
            why=f"{str(folder)!r} and the cache {str(cache)!r} both do",
            fix="move the model or set PACELINE_CACHE to a path without '@'",
        )
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)  # a link whose target is gone
        link.symlink_to(folder)
    return str(link)


def _endless(folder: Path) -> str:
    """The server's own way to get an exact number of tokens: an end token that never comes.

    Given whole because it replaces the model's generation config rather than adding to it.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    padding = config.get("pad_token_id")
    settings = {"eos_token_id": -1, "pad_token_id": 0 if padding is None else padding}
    return json.dumps({**settings, "do_sample": False})
