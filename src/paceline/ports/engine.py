"""The Engine port: everything that differs between engines."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from paceline.records.checkpoint import Calibration
from paceline.records.fidelity import Reading
from paceline.records.hardware import Accelerator
from paceline.records.image import ImageLoad
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.launch import (
    Artefact,
    Cause,
    Environment,
    EnvironmentSpec,
    LaunchSpec,
    ProcessEnd,
    Validator,
)
from paceline.records.model import Model, SynthPlan
from paceline.records.support import Need, Support
from paceline.records.variant import Knob, Variant

Say = Callable[[str], None]
"""Takes one line of progress for people."""


class Engine(Protocol):
    """A server program that answers the OpenAI HTTP API."""

    @property
    def name(self) -> str:
        """As in `--engine`."""
        ...

    @property
    def version(self) -> str:
        """The pinned version that `environment()` installs."""
        ...

    def environment(self) -> EnvironmentSpec | None:
        """The Python environment it runs in; `None` when it runs in Paceline's own."""
        ...

    def knobs(self) -> tuple[Knob, ...]:
        """Settings worth sweeping; each first value is the default."""
        ...

    def formats(self) -> tuple[str, ...]:
        """Formats it can load or make, baseline format first."""
        ...

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        """Why this combination cannot run, known without launching; `None` when it can."""
        ...

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        """The artefact to load, made when it is not in `cache` (may take minutes).

        Raises CandidateError when it cannot be made, SetupError when the disk is full.
        """
        ...

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
        """The complete process for one variant on `port` of the loopback interface."""
        ...

    def classify(self, end: ProcessEnd) -> Cause:
        """Why a process died or never became ready, from exit code and log."""
        ...


@runtime_checkable
class CanSpeculate(Protocol):
    """An engine that can guess several tokens ahead and check them in one pass."""

    def speculations(self) -> tuple[str, ...]:
        """The methods it has: `ngram` (looks the prompt up) and `draft` (a small model guesses).

        `Variant.speculation` names one of them; `Engine.launch` turns it on.
        """
        ...


@runtime_checkable
class CanDraft(Protocol):
    """An engine in which a small model with the same vocabulary can guess ahead."""

    def with_draft(self, launch: LaunchSpec, draft: Artefact) -> LaunchSpec:
        """The same launch with the small model beside the large one.

        `draft` was prepared by this engine in the first of its `formats()`.
        """
        ...


@runtime_checkable
class GivesDistributions(Protocol):
    """An engine that tells how likely it found other tokens than the one it chose."""

    def readings(self) -> tuple[Reading, ...]:
        """The ways in which `DistributionReader` can read it, the best one first."""
        ...


@runtime_checkable
class TakesBatches(Protocol):
    """An engine that works on many requests at once, so that asking more at once is sooner done."""

    def places(self, variant: Variant) -> int:
        """How many requests it works on at the same time."""
        ...


@runtime_checkable
class LoadsCheckpoints(Protocol):
    """An engine that loads quantized folders which a quantizer makes (`ports/quantizer.py`)."""

    def checkpoint_formats(self) -> tuple[str, ...]:
        """Those of `formats()` that it loads and cannot make: `gptq-4`, `w8a8`, `fp8` …

        `prepare` is not called for them: the folder is made by a quantizer, and `launch` gets it
        as its artefact. `unsupported` still says where one of them cannot run.
        """
        ...


@runtime_checkable
class HasOriginal(Protocol):
    """An engine whose quantized checkpoints are made from an unquantized one in its own layout."""

    def original(
        self, model: Model, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        """That one, whose tensors have the same names and order; made when it is not in `cache`.

        Raises as `Engine.prepare`.
        """
        ...


@runtime_checkable
class CanCalibrate(Protocol):
    """An engine some of whose formats are made better by seeing the model read a text."""

    def calibrated_formats(self) -> tuple[str, ...]:
        """Those of `formats()` that need such a text; `prepare` refuses them."""
        ...

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
        """As `Engine.prepare`, for one of those; the text is part of the artefact's identity."""
        ...


@runtime_checkable
class MakesImages(Protocol):
    """An engine that makes pictures from text, and does not generate text."""

    def pipelines(self) -> tuple[str, ...]:
        """Diffusers' names of the pipelines it loads: `FluxPipeline` …"""
        ...


@runtime_checkable
class WarmsUp(Protocol):
    """An engine that is ready only when it has made what it will be asked for."""

    def warmed(self, launch: LaunchSpec, load: ImageLoad) -> LaunchSpec:
        """The same launch, warm for the pictures of `load`."""
        ...


@runtime_checkable
class WritesModels(Protocol):
    """An engine whose environment also writes models with random weights, of shapes it names."""

    def shapes(self) -> tuple[SynthPlan, ...]:
        """What it can write; names are its own."""
        ...

    def write(self, shape: str, out: Path, *, seed: int, environment: Environment) -> None:
        """Write the model of one of `shapes()` to the folder `out` (seconds).

        Raises SetupError when it cannot.
        """
        ...


@runtime_checkable
class CanValidate(Protocol):
    """An engine whose own parser judges a command line without starting it."""

    def validator(self, environment: Environment) -> Validator:
        """The process that asks the parser, for all launches of a plan at once."""
        ...


@runtime_checkable
class HasSupportTable(Protocol):
    """An engine that can show what it loads where, with sources."""

    def support(self) -> tuple[Support, ...]:
        """Every row by which `unsupported` decides."""
        ...


@runtime_checkable
class HasNeeds(Protocol):
    """An engine that needs more of a machine than its Python environment."""

    def needs(self) -> tuple[Need, ...]:
        """Compilers, drivers and the like, found or missing (milliseconds, starts nothing)."""
        ...


@runtime_checkable
class Unverified(Protocol):
    """An engine whose command line and settings have not been seen to work on real hardware yet."""

    def unverified(self) -> str:
        """What was checked instead, in words; every output marks its variants."""
        ...


def why_other_kind(engine: Engine, model: Model) -> str | None:
    """Why an engine is for models of another kind; `None` when it is for this one."""
    if isinstance(engine, MakesImages):
        wrong = model.image_family is None
        return f"{engine.name} makes pictures; {model.name} is a language model" if wrong else None
    wrong = model.image_family is not None
    return f"{engine.name} generates text; {model.name} makes pictures" if wrong else None


def why_refused(engine: Engine, model: Model, accelerator: Accelerator, format_: str) -> str | None:
    """Why an engine cannot run this combination; `None` when it can.

    Language models and image models are kept apart here, once for all engines; the rest is
    `Engine.unsupported`, which is only asked about models of its kind.
    """
    other_kind = why_other_kind(engine, model)
    if other_kind is not None:
        return other_kind
    if isinstance(engine, MakesImages):
        pipeline = IMAGE_FAMILIES[model.image_family or ""].pipeline
        if pipeline not in engine.pipelines():
            return f"{engine.name} loads {', '.join(engine.pipelines())}, not a {pipeline}"
    return engine.unsupported(model, accelerator, format_)
