"""`trtllm-serve` on NVIDIA cards, with its PyTorch backend. It has not run on a card of ours.

What is checked without one: the command line against the options of its source, the settings file
against a schema of ours. Its environment comes from NVIDIA's own package index, to which the
package on PyPI leads.
"""

from pathlib import Path
from typing import Final

from paceline.adapters.engines.tensorrt_llm.settings import KNOBS, settings_of
from paceline.adapters.engines.tensorrt_llm.signs import SIGNS
from paceline.adapters.engines.tensorrt_llm.support import MADE_HERE, SUPPORT
from paceline.ports.engine import Say
from paceline.records.hardware import Accelerator
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
from paceline.records.support import Need, Support, why_unsupported
from paceline.records.variant import Knob, Variant
from paceline.units import BYTES_PER_GIB

VERSION: Final = "1.2.1"
_ENVIRONMENT: Final = EnvironmentSpec(
    name="tensorrt_llm", requirements=(f"tensorrt-llm=={VERSION}",), program="trtllm-serve"
)
_DRIVER: Final = Path("/proc/driver/nvidia/version")
_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_START_S: Final = 600.0
_START_S_PER_GIB: Final = 30.0
_GRACE_S: Final = 20.0


class TensorRtLlm:
    """An `Engine`, and `Unverified`."""

    name = "tensorrt_llm"
    version = VERSION

    def environment(self) -> EnvironmentSpec | None:
        return _ENVIRONMENT

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

    def unverified(self) -> str:
        return f"TensorRT-LLM {VERSION} was checked against its sources and a schema, never run"

    def needs(self) -> tuple[Need, ...]:
        found = None
        if _DRIVER.is_file():
            found = _DRIVER.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
        return (
            Need(
                name="NVIDIA driver",
                found=found,
                why="TensorRT-LLM runs on NVIDIA cards only; its wheels do not install without",
                fix="run it on a machine with an NVIDIA card and driver",
            ),
        )

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        reason = why_unsupported(
            SUPPORT, engine=f"tensorrt_llm {VERSION}", accelerator=accelerator, format_=format_
        )
        if reason is not None:
            return reason
        return None if model.has_chat_template else "the model has no chat template"

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        """The model folder itself: the PyTorch backend loads it as it is."""
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
        """Raises CandidateError when a knob is none of the settings that the schema knows."""
        del accelerator, model
        settings = settings_of(
            dict(variant.knobs),
            count=variant.count,
            speculation=variant.speculation,
            weights=artefact.size_bytes > 0,
        )
        return LaunchSpec(
            argv=(
                *(environment.python, str(_RUN), "with_settings_file", settings),
                *(str(Path(environment.bin_dir) / "trtllm-serve"), "serve", artefact.folder),
                *("--host", "127.0.0.1", "--port", str(port), "--config", "{settings}"),
            ),
            env={
                "HF_HUB_OFFLINE": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "PYTHONUNBUFFERED": "1",
            },
            port=port,
            ready_path="/health",
            # The server calls a local model by the last part of its path.
            model_name=Path(artefact.folder).name,
            grace_s=_GRACE_S,
            ready_timeout_s=_START_S + _START_S_PER_GIB * artefact.size_bytes / BYTES_PER_GIB,
        )

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, SIGNS)
