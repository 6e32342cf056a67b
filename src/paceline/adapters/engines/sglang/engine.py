"""`python -m sglang.launch_server` on NVIDIA cards. Not run by us on a card yet (see `support`).

Its parser is real: command lines are checked by it also on machines without a card.
"""

import json
import os
from pathlib import Path
from typing import Final

from paceline.adapters.engines.sglang.environments import (
    CUDA,
    PARSER_ONLY,
    VERSION,
    driver_version,
)
from paceline.adapters.engines.sglang.knobs import KNOBS, flags_of, speculation_flags
from paceline.adapters.engines.sglang.signs import SIGNS
from paceline.adapters.engines.sglang.support import MADE_HERE, SUPPORT
from paceline.ports.engine import Say
from paceline.records.hardware import Accelerator
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
_SKIPPED: Final = 3  # python -m sglang.launch_server
_VALIDATION_S: Final = 240.0
_DTYPES: Final = {"bf16": "bfloat16", "fp16": "float16"}
_START_S: Final = 600.0
_START_S_PER_GIB: Final = 30.0
# On SIGTERM it finishes what is in flight for as long as it takes.
_GRACE_S: Final = 20.0


class Sglang:
    """An `Engine` that speculates, validates, loads checkpoints and shows its tables."""

    name = "sglang"
    version = VERSION

    def environment(self) -> EnvironmentSpec | None:
        return PARSER_ONLY if driver_version() is None else CUDA

    def knobs(self) -> tuple[Knob, ...]:
        return KNOBS

    def formats(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.format for row in SUPPORT))

    def checkpoint_formats(self) -> tuple[str, ...]:
        return tuple(name for name in self.formats() if name not in MADE_HERE)

    def speculations(self) -> tuple[str, ...]:
        return ("ngram",)

    def support(self) -> tuple[Support, ...]:
        return SUPPORT

    def needs(self) -> tuple[Need, ...]:
        return (
            Need(
                name="NVIDIA driver",
                found=driver_version(),
                why="SGLang serves on NVIDIA cards; here its parser alone is installed",
                fix="run it on a machine with an NVIDIA card and driver",
            ),
        )

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        reason = why_unsupported(
            SUPPORT, engine=f"sglang {VERSION}", accelerator=accelerator, format_=format_
        )
        if reason is not None:
            return reason
        return None if model.has_chat_template else "the model has no chat template"

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        """The model folder itself: FP8 is made while loading."""
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
        del accelerator
        online = variant.format == "fp8" and not _is_quantized(Path(artefact.folder))
        return LaunchSpec(
            argv=(
                *(environment.python, "-m", "sglang.launch_server"),
                *("--model-path", artefact.folder, "--served-model-name", model.name),
                *("--host", "127.0.0.1", "--port", str(port), "--enable-metrics"),
                *("--dtype", _DTYPES.get(variant.format, "auto")),
                *(("--quantization", "fp8") if online else ()),
                *(() if artefact.size_bytes else ("--load-format", "dummy")),
                *flags_of(dict(variant.knobs), count=variant.count),
                *speculation_flags(variant.speculation),
            ),
            env=_variables(environment),
            port=port,
            ready_path="/health_generate",
            model_name=model.name,
            grace_s=_GRACE_S,
            ready_timeout_s=_START_S + _START_S_PER_GIB * artefact.size_bytes / BYTES_PER_GIB,
        )

    def validator(self, environment: Environment) -> Validator:
        return Validator(
            argv=(environment.python, str(_RUN), "argument_check.sglang"),
            env=_variables(environment),
            skipped=_SKIPPED,
            timeout_s=_VALIDATION_S,
        )

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, SIGNS)


def _variables(environment: Environment) -> dict[str, str]:
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        # Beside what compiled it; PyTorch's own choice ends with the process.
        "TORCHINDUCTOR_CACHE_DIR": str(Path(environment.bin_dir).parent / "compiled"),
        # ninja, which compiles kernels at the first start, lies beside the interpreter.
        "PATH": os.pathsep.join([environment.bin_dir, os.environ.get("PATH", os.defpath)]),
    }


def _is_quantized(folder: Path) -> bool:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return "quantization_config" in config
