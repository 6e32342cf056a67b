"""The fake engine: a real server process with set timings, accuracy and faults.

Its figures are made up and only relate to each other as real ones would: smaller formats are
faster and a little worse. `PACELINE_FAKE` overrides them, e.g.
`PACELINE_FAKE='{"int8": {"fault": "out-of-memory"}, "*": {"start_ms": 500}}'`.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.records.fidelity import Reading
from paceline.records.hardware import Accelerator
from paceline.records.launch import (
    Artefact,
    Cause,
    Environment,
    EnvironmentSpec,
    LaunchSpec,
    ProcessEnd,
)
from paceline.records.log_signs import LogSign, cause_of
from paceline.records.model import Model
from paceline.records.variant import Knob, Scalar, Variant

_RUN: Final = Path(__file__).parents[3] / "runtimes" / "run.py"
_STANDARD: Final = Path(__file__).parents[2] / "quality/suites/data/standard.jsonl"
_VARIABLE: Final = "PACELINE_FAKE"
_EVERY_FORMAT: Final = "*"

_BY_FORMAT: Final[Mapping[str, Mapping[str, Scalar]]] = {
    "bf16": {"first_token_ms": 8.0, "token_ms": 2.0, "accuracy": 0.92, "memory_mib": 48},
    "int8": {"first_token_ms": 6.0, "token_ms": 1.4, "accuracy": 0.91, "memory_mib": 32},
    "int4": {"first_token_ms": 5.0, "token_ms": 1.0, "accuracy": 0.80, "memory_mib": 24},
}
_DIVERGENCE: Final[Mapping[str, Scalar]] = {"bf16": 0.0, "int8": 0.05, "int4": 0.3}
_KNOBS: Final = (Knob(name="capacity", values=(4, 16), when="more requests in flight than places"),)
_SIGNS: Final = (
    LogSign(pattern="told to run out of memory", cause=Cause.OUT_OF_MEMORY),
    LogSign(pattern="told to be unsupported", cause=Cause.UNSUPPORTED),
    LogSign(pattern="cannot listen on port", cause=Cause.PORT_IN_USE),
    LogSign(pattern=r"fake_server: error: ", cause=Cause.BAD_FLAG),
)


class Fake:
    """An `Engine`; every knob is a field of the server's `Behaviour`."""

    name = "fake"
    version = "1"

    def environment(self) -> EnvironmentSpec | None:
        return None

    def knobs(self) -> tuple[Knob, ...]:
        return _KNOBS

    def formats(self) -> tuple[str, ...]:
        return tuple(_BY_FORMAT)

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        del model, accelerator
        return None if format_ in _BY_FORMAT else f"the fake engine has no {format_}"

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        del environment, cache, say
        return Artefact(
            folder=model.folder,
            format=format_,
            sha256=model.sha256,
            size_bytes=sum(file.size_bytes for file in model.files),
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
        del artefact, environment, accelerator
        behaviour = {
            **_BY_FORMAT[variant.format],
            "divergence": _DIVERGENCE[variant.format],
            "capacity": _KNOBS[0].values[0],
            **_overrides(variant.format),
            **dict(variant.knobs),
        }
        suites = (str(_STANDARD), *((model.suite_path,) if model.suite_path else ()))
        return LaunchSpec(
            argv=(
                *(sys.executable, str(_RUN), "fake_server"),
                *("--behaviour", json.dumps(behaviour)),
                *(part for suite in suites for part in ("--suite", suite)),
                *("--model-name", model.name, "--port", str(port)),
            ),
            env={"PYTHONUNBUFFERED": "1"},
            port=port,
            ready_path="/health",
            model_name=model.name,
            grace_s=2.0,
            ready_timeout_s=60.0,
        )

    def embeds(self, model: Model) -> bool:
        """Made up of the words of a text, for any model."""
        del model
        return True

    def readings(self) -> tuple[Reading, ...]:
        """Made up, and the same for the same text."""
        return (Reading.FORCED, Reading.GREEDY)

    def classify(self, end: ProcessEnd) -> Cause:
        return cause_of(end, _SIGNS)


def _overrides(format_: str) -> dict[str, Scalar]:
    """Raises SetupError when `PACELINE_FAKE` is no JSON object of objects."""
    text = os.environ.get(_VARIABLE) or "{}"
    try:
        by_format = json.loads(text)
        return {**by_format.get(_EVERY_FORMAT, {}), **by_format.get(format_, {})}
    except (ValueError, AttributeError, TypeError) as error:
        raise SetupError(
            Code.BAD_OPTION,
            f"{_VARIABLE} cannot be read",
            why=f"{text!r} is no JSON object of formats: {error}",
            fix=f'{_VARIABLE}=\'{{"int8": {{"token_ms": 5}}}}\'',
        ) from error
