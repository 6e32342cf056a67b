"""Diffusers 0.42 behind `runtimes/image_server`: pictures from text, on processors and on cards.

The server knows no model by name: a launch hands it the family's row (steps, bounds, schedulers) as
JSON. Which families there are is data of `records/image_families.py`.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from paceline.adapters.engines.diffusers.signs import SIGNS
from paceline.adapters.engines.diffusers.small import SHAPES, write_pipeline
from paceline.adapters.engines.diffusers.support import SUPPORT
from paceline.ports.engine import Say
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.image import ImageLoad
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.launch import (
    Artefact,
    Cause,
    Environment,
    EnvironmentSpec,
    LaunchSpec,
    ProcessEnd,
)
from paceline.records.log_signs import cause_of
from paceline.records.model import Model, SynthPlan
from paceline.records.support import Support, why_unsupported
from paceline.records.variant import Knob, Scalar, Variant

VERSION: Final = "0.42.1"
_ENVIRONMENT: Final = EnvironmentSpec(
    name="diffusers",
    requirements=(
        *("torch==2.13.0", f"diffusers=={VERSION}", "torchao==0.18.0", "transformers==5.17.0"),
        *("accelerate==1.15.0", "safetensors==0.8.0", "pillow==13.0.0"),
        *("starlette==1.7.0", "uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.23.0"),
    ),
)
_KNOBS: Final = (
    Knob(
        name="compile",
        values=(False, True),
        when="many pictures of few sizes: compiled blocks are faster, the first start takes longer",
    ),
    Knob(
        name="batch",
        values=(1, 4),
        when="requests that wait: equal shapes are made together, each takes longer",
    ),
)
_OFFLOAD: Final = Knob(
    name="offload",
    values=(False, True),
    when="a card too small for all parts at once: they take turns on it",
)
_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_START_S: Final = 240.0
"""The cold-start budget of an image model."""
_GRACE_S: Final = 20.0


class Diffusers:
    """An `Engine` that makes pictures and shows its table."""

    name = "diffusers"
    version = VERSION

    def environment(self) -> EnvironmentSpec | None:
        return _ENVIRONMENT

    def knobs(self) -> tuple[Knob, ...]:
        return _KNOBS if driver_version() is None else (*_KNOBS, _OFFLOAD)

    def formats(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.format for row in SUPPORT))

    def support(self) -> tuple[Support, ...]:
        return SUPPORT

    def pipelines(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(family.pipeline for family in IMAGE_FAMILIES.values()))

    def shapes(self) -> tuple[SynthPlan, ...]:
        return SHAPES

    def write(self, shape: str, out: Path, *, seed: int, environment: Environment) -> None:
        write_pipeline(shape, out, seed=seed, environment=environment)

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        return why_unsupported(
            SUPPORT, engine=f"diffusers {VERSION}", accelerator=accelerator, format_=format_
        )

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        """The model folder itself: other formats are made while loading."""
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
        knobs = dict(variant.knobs)
        return LaunchSpec(
            argv=(
                *(environment.python, str(_RUN), "image_server"),
                *("--model", artefact.folder, "--model-name", model.name),
                *("--family", json.dumps(asdict(IMAGE_FAMILIES[model.image_family or ""]))),
                *("--port", str(port), "--grace-s", str(_GRACE_S)),
                *("--format", variant.format, "--device", _device(accelerator)),
                # Beside what compiled it: code of another torch is of no use.
                *("--compile-cache", str(Path(environment.bin_dir).parent / "compiled")),
                *(part for name, value in knobs.items() for part in _option(name, value)),
                *(("--threads", str(accelerator.cores)) if accelerator.cores else ()),
            ),
            env={
                "HF_HUB_OFFLINE": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "TQDM_DISABLE": "1",
                # Threads that wait for each other sleep instead of spinning: beside a busy
                # neighbour, spinning made a step of a small model seventy times slower.
                "OMP_WAIT_POLICY": "passive",
                "PYTHONUNBUFFERED": "1",
                "PYTHONNOUSERSITE": "1",
            },
            port=port,
            ready_path="/health",
            model_name=model.name,
            grace_s=_GRACE_S + 2.0,
            ready_timeout_s=_START_S,
            exact_output=(),
        )

    def warmed(self, launch: LaunchSpec, load: ImageLoad) -> LaunchSpec:
        size = f"{load.width_px}x{load.height_px}"
        return replace(launch, argv=(*launch.argv, "--warmup-size", size))

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, SIGNS)


def driver_version(driver: Path = Path("/proc/driver/nvidia/version")) -> str | None:
    """The loaded NVIDIA driver in its own words, `None` without one."""
    if not driver.is_file():
        return None
    return driver.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()


def _device(accelerator: Accelerator) -> str:
    return "cuda" if accelerator.kind is AcceleratorKind.GPU else "cpu"


def _option(name: str, value: Scalar) -> tuple[str, ...]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return (flag if value else f"--no-{flag.removeprefix('--')}",)
    return (flag, str(value))
