"""Command lines of a plan, judged by the engines' own parsers before anything is launched."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from paceline.app.planning import Planned
from paceline.app.registry import load_engine
from paceline.app.wiring import Workshop
from paceline.ports.engine import CanValidate, Engine, Say
from paceline.records.launch import Artefact, Environment, Validator
from paceline.records.variant import Rejection, RejectionReason, Variant
from paceline.scratch import scratch_folder

_PORT: Final = 8000
"""Stands for the port that a launch will get; nothing listens on it."""

_TAIL_CHARACTERS: Final = 400

Refused = dict[str, str]
"""Variant id → the parser's words."""


def without_invalid(planned: Planned, shop: Workshop, *, say: Say) -> Planned:
    """The plan without the variants whose command line their engine refuses; they are rejected.

    Seconds per engine that can validate, nothing for the others. The baseline is never taken out:
    a run without it measures nothing, and its trial will say the same words.
    """
    refused: Refused = {}
    for name in dict.fromkeys(variant.engine for variant in planned.plan.variants):
        engine = load_engine(name)
        spec = engine.environment()
        if not isinstance(engine, CanValidate) or spec is None:
            continue
        environment = shop.environments.status(spec).environment
        if environment is not None:
            refused |= _refused(engine, engine.validator(environment), planned, environment, say)
    return _rejecting(planned, refused)


def _rejecting(planned: Planned, refused: Refused) -> Planned:
    plan = planned.plan
    out = [v for v in plan.variants if v.id in refused and v != plan.baseline]
    rejected = [
        Rejection(
            variant=variant,
            reason=RejectionReason.UNSUPPORTED,
            detail=f"{variant.engine} refuses its command line: {refused[variant.id]}",
        )
        for variant in out
    ]
    kept = tuple(variant for variant in plan.variants if variant not in out)
    return replace(planned, plan=replace(plan, variants=kept, rejected=(*plan.rejected, *rejected)))


def _refused(
    engine: Engine, validator: Validator, planned: Planned, environment: Environment, say: Say
) -> Refused:
    variants = [v for v in planned.plan.variants if v.engine == engine.name]
    say(f"asking {engine.name} about {len(variants)} command lines")
    launches = [_command_line(engine, variant, planned, environment) for variant in variants]
    answers = judged(validator, launches, say=say)
    return {variant.id: answer for variant, answer in zip(variants, answers, strict=True) if answer}


def _command_line(
    engine: Engine, variant: Variant, planned: Planned, environment: Environment
) -> tuple[str, ...]:
    """With the model's own folder for an artefact that is not made yet: the shape is the same."""
    model = planned.model
    launch = engine.launch(
        variant,
        Artefact(
            folder=model.folder,
            format=variant.format,
            sha256=model.sha256,
            size_bytes=model.weight_bytes,
        ),
        model=model,
        environment=environment,
        accelerator=next(a for a in planned.accelerators if a.name == variant.accelerator),
        port=_PORT,
    )
    return launch.argv


def judged(
    validator: Validator, launches: Sequence[Sequence[str]], *, say: Say
) -> list[str | None]:
    """What the parser says against each launch, `None` where it accepts; one process, seconds.

    A parser that cannot be asked refuses nothing: the engine itself will speak.
    """
    asked = [list(launch[validator.skipped :]) for launch in launches]
    nothing: list[str | None] = [None] * len(launches)
    with scratch_folder("check") as scratch:
        answers = scratch.path / "answers.json"
        try:
            done = subprocess.run(  # noqa: S603 - the engine's adapter built it
                [*validator.argv, str(answers)],
                input=json.dumps(asked),
                # Its own home: engines keep there what they found out about a model class.
                env={**validator.env, "HOME": str(Path.home()), "TMPDIR": str(scratch.path)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=validator.timeout_s,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            say(f"command lines go unchecked: {error}")
            return nothing
        if not answers.is_file():
            say(f"command lines go unchecked: {done.stderr[-_TAIL_CHARACTERS:]}")
            return nothing
        found: list[str | None] = json.loads(answers.read_text(encoding="utf-8"))
    return found
