"""OpenVINO GenAI's continuous batching pipeline behind `runtimes/openvino_server`.

Weights are fp16, int8 or int4; arithmetic is the processor's best (bf16 where it has it) and the
KV cache is 8 bits wide by OpenVINO's default, which a knob changes.
"""

from pathlib import Path
from typing import Final

from paceline.adapters.engines.openvino.export import RECIPES, find_or_make
from paceline.adapters.engines.openvino.signs import SIGNS
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
)
from paceline.records.log_signs import cause_of
from paceline.records.model import Model
from paceline.records.variant import Knob, Scalar, Variant
from paceline.units import BYTES_PER_GIB

VERSION: Final = "2026.4.1"
_ENVIRONMENT: Final = EnvironmentSpec(
    name="openvino",
    requirements=(
        *("torch==2.13.0", "transformers==5.5.4", "optimum-intel[openvino]==2.2.0"),
        *(f"openvino=={VERSION}", f"openvino-genai=={VERSION}.0"),
        *(f"openvino-tokenizers=={VERSION}.0", "nncf==3.4.0"),
        *("httptools==0.9.0", "jinja2==3.1.6", "uvloop==0.23.0"),
    ),
    # Asked for by optimum for image models only; its PyPI build wants CUDA's torch and breaks the
    # import of transformers beside the CPU build.
    overrides=("torchvision; sys_platform == 'never'",),
    program="optimum-cli",
)
_KNOBS: Final = (
    Knob(
        name="max_num_batched_tokens",
        values=(256, 1024),
        when="long prompts: larger steps read them faster, and delay tokens of the others",
    ),
    Knob(name="prefix_caching", values=(False, True), when="prompts that begin alike"),
)
_FLAGS: Final = {
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "prefix_caching": "--prefix-caching",
    "split_prompts": "--split-prompts",
    "kv_cache_precision": "--kv-cache-precision",
    "inference_precision": "--inference-precision",
    "cache_gib": "--cache-gib",
    "threads": "--threads",
}
_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_PLACES: Final = 256  # --max-num-seqs of our server
_START_S: Final = 60.0
_START_S_PER_GIB: Final = 30.0
_GRACE_S: Final = 5.0


class OpenVino:
    """An `Engine`."""

    name = "openvino"
    version = VERSION

    def environment(self) -> EnvironmentSpec | None:
        return _ENVIRONMENT

    def knobs(self) -> tuple[Knob, ...]:
        return _KNOBS

    def formats(self) -> tuple[str, ...]:
        return tuple(RECIPES)

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        if format_ not in RECIPES:
            return f"openvino serves {', '.join(RECIPES)}, not {format_}"
        if accelerator.kind is not AcceleratorKind.CPU:
            return f"this adapter runs on processors, not on a {accelerator.kind}"
        if not model.has_chat_template:
            return "the model has no chat template"
        return None

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        return find_or_make(model, format_, environment=environment, cache=cache, say=say)

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
        knobs = {"threads": accelerator.threads, **dict(variant.knobs)}
        return LaunchSpec(
            argv=(
                *(environment.python, str(_RUN), "openvino_server"),
                *("--model", artefact.folder, "--model-name", model.name),
                *("--port", str(port), "--grace-s", str(_GRACE_S)),
                *(part for name, value in knobs.items() for part in _option(name, value)),
            ),
            env={"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"},
            port=port,
            ready_path="/health",
            model_name=model.name,
            # The server ends by itself when its own grace is over; this is a little longer.
            grace_s=_GRACE_S + 2.0,
            ready_timeout_s=_START_S + _START_S_PER_GIB * artefact.size_bytes / BYTES_PER_GIB,
        )

    def readings(self) -> tuple[Reading, ...]:
        """Our server compiles the model once more when it is first asked."""
        return (Reading.FORCED, Reading.GREEDY)

    def places(self, variant: Variant) -> int:
        del variant
        return _PLACES

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, SIGNS)


def _option(name: str, value: Scalar) -> tuple[str, ...]:
    flag = _FLAGS[name]
    if isinstance(value, bool):
        return (flag if value else f"--no-{flag.removeprefix('--')}",)
    return (flag, str(value))
