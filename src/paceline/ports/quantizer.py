"""The Quantizer port: checkpoints in other formats, made from a checked model folder.

What comes out is a folder in Hugging Face layout with safetensors weights, which every engine that
names the format in `LoadsCheckpoints.checkpoint_formats` loads as it is.
"""

from pathlib import Path
from typing import Protocol

from paceline.ports.engine import Say
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Artefact, Environment, EnvironmentSpec
from paceline.records.model import Model


class Quantizer(Protocol):
    """A tool that makes checkpoints."""

    @property
    def name(self) -> str:
        """As its environment is called in `paceline engines install`."""
        ...

    def environment(self) -> EnvironmentSpec:
        """The Python environment it runs in; never Paceline's own."""
        ...

    def formats(self) -> tuple[str, ...]:
        """What it makes, as in `--format`: `gptq-4`, `w8a8` …"""
        ...

    def refusal(self, model: Model, format_: str) -> str | None:
        """Why this model cannot be made into `format_`, known without starting; `None` when it can.

        Reads config.json only, milliseconds. A width that the group size does not divide is named
        with both numbers.
        """
        ...

    def make(
        self,
        model: Model,
        format_: str,
        *,
        calibration: Calibration,
        environment: Environment,
        cache: Path,
        say: Say,
    ) -> Artefact:
        """The checkpoint, made when it is not in `cache` (seconds to hours, the model in memory).

        Its folder is named by a hash of everything it was made from, and holds `paceline.json`
        with the recipe, the hashes of the inputs and of every file made. Raises CandidateError
        when it cannot be made, SetupError when the disk is full.
        """
        ...
