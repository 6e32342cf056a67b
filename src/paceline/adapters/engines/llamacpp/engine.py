"""`llama-server` of llama.cpp, unmodified.

What is known of it (0.5.0-dev, commit 0c1e570): it loads one model and answers under any name; it
drops open answers at SIGTERM, so `runtimes/drained` keeps the signal back until nothing is in
flight; `--parallel N -c C` gives each of N slots C ÷ N tokens; the prompt cache in host memory
grows to 8 GiB by default and is off here unless a knob asks for it, so that a trial's memory does
not depend on its length. With speculation its counters grow when a request ends.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from paceline.adapters.engines.llamacpp.checkpoint import FILE, find_or_make
from paceline.adapters.engines.llamacpp.formats import BASE, CALIBRATED, FORMATS, SUPPORT
from paceline.adapters.engines.llamacpp.kitchen import Kitchen
from paceline.adapters.engines.llamacpp.signs import SIGNS
from paceline.ports.engine import Say
from paceline.records.checkpoint import Calibration
from paceline.records.fidelity import Reading
from paceline.records.hardware import Accelerator
from paceline.records.launch import (
    Artefact,
    Cause,
    Environment,
    EnvironmentSpec,
    LaunchSpec,
    ProcessEnd,
    SourceBuild,
)
from paceline.records.log_signs import cause_of
from paceline.records.model import Model
from paceline.records.support import Need, Support, why_unsupported
from paceline.records.variant import Knob, Scalar, Variant
from paceline.units import BYTES_PER_GIB

VERSION: Final = "0.5.0-dev-0c1e570"
_ENVIRONMENT: Final = EnvironmentSpec(
    name="llamacpp",
    # What the converter imports; `gguf` comes with the source, the released one lags behind it.
    requirements=(
        *("torch==2.13.0", "transformers==5.5.4", "sentencepiece==0.2.3", "protobuf==7.36.2"),
        *("numpy==2.4.6", "pyyaml==6.0.3", "requests==2.34.2", "tqdm==4.70.1", "pip==26.3"),
    ),
    program="llama-server",
    source=SourceBuild(
        sdist="llama-cpp-python==0.3.36",
        sha256="832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
        folder="vendor/llama.cpp",
        options=(
            *("CMAKE_BUILD_TYPE=Release", "BUILD_SHARED_LIBS=OFF"),
            *("LLAMA_BUILD_TESTS=OFF", "LLAMA_BUILD_EXAMPLES=OFF"),
            # Without these the build fetches a web page over the network.
            *("LLAMA_BUILD_UI=OFF", "LLAMA_USE_PREBUILT_UI=OFF", "LLAMA_OPENSSL=OFF"),
        ),
        programs=("llama-server", "llama-quantize"),
        targets=("llama-server", "llama-quantize", "llama-imatrix", "llama-bench"),
    ),
)
_SLOTS: Final = 8
_KNOBS: Final = (
    Knob(
        name="slots",
        values=(_SLOTS, 4, 16),
        when="requests in flight: those beyond the slots wait, and more slots share the memory",
        limits_in_flight=True,
    ),
    Knob(
        name="flash_attention",
        values=("auto", "off"),
        when="long contexts; processors gain less from it than accelerators",
    ),
    Knob(
        name="kv_type",
        values=("f16", "q8_0"),
        when="long contexts: half the cache to read, more arithmetic to read it",
    ),
    Knob(
        name="step_tokens",
        values=(512, 128),
        when="long prompts: larger steps read them faster, and delay tokens of the others",
    ),
)
_FLAGS: Final = {
    "flash_attention": ("--flash-attn",),
    "kv_type": ("--cache-type-k", "--cache-type-v"),
    "step_tokens": ("--ubatch-size",),
    "batch_tokens": ("--batch-size",),
    "threads": ("--threads", "--threads-batch"),
    "prompt_cache_mib": ("--cache-ram",),
}
_DEFAULTS: Final[dict[str, Scalar]] = {"prompt_cache_mib": 0, "step_tokens": 512}
_SPECULATIONS: Final = {
    # Looks for the last 3 tokens in what was read or written before and proposes the 8 that
    # followed. The engine's own 12 and 48 hardly ever find anything in a chat.
    "ngram": (
        *("--spec-type", "ngram-simple"),
        *("--spec-ngram-simple-size-n", "3", "--spec-ngram-simple-size-m", "8"),
    ),
}
_COMPILERS: Final = ("c++", "g++", "clang++")
_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_BUSY: Final = ("llamacpp:requests_processing", "llamacpp:requests_deferred")
_START_S: Final = 30.0
_START_S_PER_GIB: Final = 30.0
_GRACE_S: Final = 5.0
CACHE_SHARE: Final = 0.25
"""Of the memory that the weights leave, for the KV cache: the server reserves it at its start."""
_CACHE_STEP_TOKENS: Final = 256  # the engine rounds a slot's context up to this
_LEAST_CONTEXT_TOKENS: Final = 512
_KV_BYTES_PER_ELEMENT: Final = 2  # f16


class LlamaCpp:
    """An `Engine`; it speculates, drafts, calibrates, has originals, needs and a support table."""

    name = "llamacpp"
    version = VERSION

    def environment(self) -> EnvironmentSpec | None:
        return _ENVIRONMENT

    def knobs(self) -> tuple[Knob, ...]:
        return _KNOBS

    def formats(self) -> tuple[str, ...]:
        return FORMATS

    def speculations(self) -> tuple[str, ...]:
        return tuple(_SPECULATIONS)

    def support(self) -> tuple[Support, ...]:
        return SUPPORT

    def needs(self) -> tuple[Need, ...]:
        """What the build asks of the machine; an installed llama-server spares it."""
        compilers = (found for name in _COMPILERS if (found := shutil.which(name)))
        why = "the programs are built from source, unless llama-server is on PATH"
        fix = "apt-get install cmake g++"
        return (
            Need(name="CMake", found=shutil.which("cmake"), why=why, fix=fix),
            Need(name="a C++ compiler", found=next(compilers, None), why=why, fix=fix),
        )

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        if not model.has_chat_template:
            return "the model has no chat template"
        return why_unsupported(SUPPORT, engine=self.name, accelerator=accelerator, format_=format_)

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        kitchen = Kitchen(model=model, environment=environment, cache=cache, say=say)
        return find_or_make(format_, kitchen)

    def original(
        self, model: Model, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        return self.prepare(model, BASE, environment=environment, cache=cache, say=say)

    def calibrated_formats(self) -> tuple[str, ...]:
        return CALIBRATED

    def prepare_calibrated(
        self,
        model: Model,
        format_: str,
        *,
        calibration: Calibration,
        environment: Environment,
        cache: Path,
        say: Say,
    ) -> Artefact:
        kitchen = Kitchen(
            model=model, environment=environment, cache=cache, say=say, calibration=calibration
        )
        return find_or_make(format_, kitchen)

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
        asked = dict(variant.knobs)
        slots = int(asked.pop("slots", _SLOTS))
        context = asked.pop("context_tokens", None)
        if context is None:
            left_bytes = accelerator.memory_gib * BYTES_PER_GIB - artefact.size_bytes
            context = _slot_context_tokens(model, left_bytes, slots)
        knobs: dict[str, Scalar] = {"threads": accelerator.threads, **_DEFAULTS, **asked}
        return LaunchSpec(
            argv=(
                *(environment.python, str(_RUN), "drained", "--port", str(port)),
                *("--grace-s", str(_GRACE_S)),
                *(part for name in _BUSY for part in ("--busy", name)),
                *("--", str(Path(environment.bin_dir) / "llama-server")),
                *("--model", str(Path(artefact.folder) / FILE), "--alias", model.name),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--metrics", "--slots", "--no-ui", "--offline"),
                *("--parallel", str(slots), "--ctx-size", str(slots * int(context))),
                *(part for name, value in knobs.items() for part in _option(name, value)),
                *_SPECULATIONS.get(variant.speculation or "", ()),
            ),
            env={"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"},
            port=port,
            ready_path="/health",
            model_name=model.name,
            # The wrapper passes the signal on when its own grace is over; the rest is the exit.
            grace_s=_GRACE_S + 2.0,
            ready_timeout_s=_START_S + _START_S_PER_GIB * artefact.size_bytes / BYTES_PER_GIB,
        )

    def with_draft(self, launch: LaunchSpec, draft: Artefact) -> LaunchSpec:
        more = ("--spec-type", "draft-simple", "--model-draft", str(Path(draft.folder) / FILE))
        return replace(launch, argv=(*launch.argv, *more))

    def readings(self) -> tuple[Reading, ...]:
        """`echo` is ignored (0.5.0-dev)."""
        return (Reading.GREEDY,)

    def places(self, variant: Variant) -> int:
        return int(dict(variant.knobs).get("slots", _SLOTS))

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, SIGNS)


def _option(name: str, value: Scalar) -> tuple[str, ...]:
    return tuple(part for flag in _FLAGS[name] for part in (flag, str(value)))


def _slot_context_tokens(model: Model, left_bytes: float, slots: int) -> int:
    """What the model allows, or what `CACHE_SHARE` of the memory holds per slot if that is less.

    KV bytes per token as in `plan.feasible.memory_need`.
    """
    per_token = model.layers * 2 * model.kv_heads * model.head_size * _KV_BYTES_PER_ELEMENT
    held = int(max(left_bytes, 0.0) * CACHE_SHARE / max(per_token, 1) / slots)
    wanted = min(model.max_context_tokens or held, held)
    return max(wanted // _CACHE_STEP_TOKENS * _CACHE_STEP_TOKENS, _LEAST_CONTEXT_TOKENS)
