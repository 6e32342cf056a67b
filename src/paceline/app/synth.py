"""Models with random weights that an engine's own environment writes: pipelines of image models."""

from dataclasses import dataclass
from pathlib import Path

from paceline.app.registry import usable_engines
from paceline.app.wiring import Workshop
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.engine import Engine, WritesModels
from paceline.records.launch import Environment
from paceline.records.model import SynthPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """An engine that knows a shape."""

    engine: Engine
    writes: WritesModels
    plan: SynthPlan


def writer_of(shape: str, *, dtype: str) -> Writer | None:
    """Who writes `shape`; `None` where no engine knows it. Raises SpecError for another dtype."""
    for engine in usable_engines().values():
        if isinstance(engine, WritesModels):
            for plan in engine.shapes():
                if plan.shape == shape:
                    _check_dtype(plan, dtype)
                    return Writer(engine=engine, writes=engine, plan=plan)
    return None


def write_with(writer: Writer, out: Path, *, seed: int) -> Path:
    """Write the model (seconds); where it is.

    Raises SpecError when `out` is taken, SetupError when the engine is not installed or fails.
    """
    out = out.expanduser().absolute()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SpecError(
            Code.BAD_OPTION,
            f"{str(out)!r} is taken",
            why="a model is written to a new or empty folder only; nothing was changed",
            fix="name another folder, or remove this one",
        )
    environment = _environment(writer.engine)
    writer.writes.write(writer.plan.shape, out, seed=seed, environment=environment)
    return out


def _environment(engine: Engine) -> Environment:
    spec = engine.environment()
    status = None if spec is None else Workshop().environments.status(spec)
    if status is None or status.environment is None:
        raise SetupError(
            Code.ENGINE_NOT_INSTALLED,
            f"the engine {engine.name!r} writes this model and is not installed",
            why="it has no environment" if status is None else status.detail,
            fix=f"paceline engines install {engine.name}",
        )
    return status.environment


def _check_dtype(plan: SynthPlan, dtype: str) -> None:
    if dtype != plan.dtype:
        raise SpecError(
            Code.BAD_OPTION,
            f"{plan.shape!r} is not written in {dtype!r}",
            why=f"asked for {dtype}, it is {plan.dtype}",
            fix=f"--dtype {plan.dtype}",
        )
