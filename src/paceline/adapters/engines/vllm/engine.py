"""`vllm serve` as it comes, on processors (the CPU build) or on NVIDIA cards (the CUDA build).

Weights are loaded as they are, or as folders that a quantizer made (compressed-tensors); FP8 is
also made while loading where the card has it. A model without weights gets random ones, which is
enough to measure speed.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from paceline.adapters.engines.vllm.builds import VERSION, Build, build_for_host
from paceline.adapters.engines.vllm.command import (
    GRACE_S,
    SEQUENCES,
    command_line,
    offline_variables,
    variables,
)
from paceline.adapters.engines.vllm.knobs import draft_flags, knobs_for
from paceline.adapters.engines.vllm.signs import SIGNS
from paceline.adapters.engines.vllm.support import MADE_HERE, SUPPORT, format_of
from paceline.ports.engine import Say
from paceline.records.fidelity import Reading
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.launch import (
    Artefact,
    Cause,
    Environment,
    EnvironmentSpec,
    LaunchSpec,
    ProcessEnd,
    Validator,
)
from paceline.records.log_signs import cause_of
from paceline.records.model import Model
from paceline.records.support import Need, Support, why_unsupported
from paceline.records.variant import Knob, Variant
from paceline.units import BYTES_PER_GIB

_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_BUSY: Final = ("vllm:num_requests_running", "vllm:num_requests_waiting")
# Importing took 15 s on two quiet cores; each command line a fraction of a second.
_VALIDATION_S: Final = 240.0
# The first start compiles: 95 s for six layers on two quiet cores, half of it the compiler's.
_START_S: Final = 420.0
_START_S_PER_GIB: Final = 60.0


class Vllm:
    """An `Engine` that speculates, validates, loads checkpoints and shows its tables."""

    name = "vllm"
    version = VERSION

    def __init__(self, build: Build | None = None) -> None:
        self._build = build or build_for_host()

    def environment(self) -> EnvironmentSpec | None:
        return self._build.environment

    def knobs(self) -> tuple[Knob, ...]:
        return knobs_for(self._build.kind, self._build.devices)

    def formats(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.format for row in SUPPORT))

    def checkpoint_formats(self) -> tuple[str, ...]:
        return tuple(name for name in self.formats() if name not in MADE_HERE)

    def speculations(self) -> tuple[str, ...]:
        return ("ngram",)

    def support(self) -> tuple[Support, ...]:
        return SUPPORT

    def needs(self) -> tuple[Need, ...]:
        if self._build.kind is AcceleratorKind.GPU:
            return (
                Need(
                    name="C compiler",
                    found=shutil.which("gcc") or shutil.which("cc"),
                    why="Triton compiles its launchers at the first start, with Python's headers",
                    fix="install a C compiler (Debian: apt-get install gcc python3-dev)",
                ),
            )
        return (
            Need(
                name="C++ compiler",
                found=shutil.which("g++"),
                why="vLLM compiles the model for the processor at its first start",
                fix="install g++ (Debian: apt-get install g++), or pin enforce_eager",
            ),
        )

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        reason = why_unsupported(
            SUPPORT, engine=f"vllm {VERSION}", accelerator=accelerator, format_=format_
        )
        if reason is not None:
            return reason
        if accelerator.kind is not self._build.kind:
            return f"the build of vllm for this machine runs on {self._build.kind.value} only"
        own = format_of(model)
        if own is not None and own != format_:
            return f"the weights are {own} already; the unquantized checkpoint gives {format_}"
        return None if model.has_chat_template else "the model has no chat template"

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        """The model folder itself: what vLLM makes, it makes while loading."""
        del environment, cache, say
        return Artefact(
            folder=model.folder,
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
        size_gib = artefact.size_bytes / BYTES_PER_GIB
        return LaunchSpec(
            argv=(
                *_drained(environment, port),
                *command_line(
                    variant, artefact, model, environment=environment, place=accelerator, port=port
                ),
            ),
            env=variables(variant, environment, accelerator),
            port=port,
            ready_path="/health",
            model_name=model.name,
            grace_s=GRACE_S + 2.0,
            ready_timeout_s=_START_S + _START_S_PER_GIB * size_gib,
        )

    def validator(self, environment: Environment) -> Validator:
        return Validator(
            argv=(environment.python, str(_RUN), "argument_check.vllm"),
            env=offline_variables(environment),
            skipped=len(_drained(environment, 0)) + 1,
            timeout_s=_VALIDATION_S,
        )

    def with_draft(self, launch: LaunchSpec, draft: Artefact) -> LaunchSpec:
        return replace(launch, argv=(*launch.argv, *draft_flags(draft.folder)))

    def readings(self) -> tuple[Reading, ...]:
        """`echo` with `logprobs` on the completions route; `top_logprobs` on the chat route."""
        return (Reading.FORCED, Reading.GREEDY)

    def places(self, variant: Variant) -> int:
        return int(dict(variant.knobs).get("max_num_seqs", SEQUENCES))

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, SIGNS)


def _drained(environment: Environment, port: int) -> tuple[str, ...]:
    """Keeps SIGTERM back while something is in flight, and then gives it to the server alone.

    Sent to the whole process group it ends vLLM's workers at once, whatever `--shutdown-timeout`
    allows the server (vLLM 0.32).
    """
    return (
        *(environment.python, str(_RUN), "drained", "--port", str(port)),
        *("--grace-s", str(GRACE_S)),
        *(part for name in _BUSY for part in ("--busy", name)),
        "--",
    )
