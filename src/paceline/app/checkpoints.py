"""Checkpoints in formats that an engine loads and cannot make: who makes them, and making them."""

from dataclasses import dataclass
from pathlib import Path

from paceline.app.calibration import built_in
from paceline.app.registry import usable_adapters, usable_engines
from paceline.app.soundness import checked_weights
from paceline.app.wiring import Workshop
from paceline.errors import CandidateError, Code, SpecError
from paceline.ports.engine import CanCalibrate, Engine, HasOriginal, LoadsCheckpoints, Say
from paceline.ports.quantizer import Quantizer
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Artefact, Environment, EnvironmentSpec, EnvironmentState
from paceline.records.model import Model

_FLOATS = frozenset({"bf16", "fp16", "fp32"})


def quantizers() -> tuple[Quantizer, ...]:
    """Every tool that can be imported, by name."""
    return tuple(make() for make in usable_adapters("quantizers").values())


def quantizer_for(format_: str) -> Quantizer | None:
    """The first tool that makes `format_`, if one does."""
    return next((tool for tool in quantizers() if format_ in tool.formats()), None)


def needs_quantizer(engine: Engine, model: Model, format_: str) -> bool:
    """Whether `engine` gets this format of `model` from a quantizer: not what it makes itself, and
    not a model that came quantized."""
    return (
        isinstance(engine, LoadsCheckpoints)
        and format_ in engine.checkpoint_formats()
        and model.format in _FLOATS
    )


def why_none(engine: Engine, model: Model, format_: str, shop: Workshop) -> str | None:
    """Why this machine cannot give `engine` a checkpoint; `None` when it can, or needs none.

    Starts nothing; asks the hub that the model is from, if it is from one.
    """
    if not needs_quantizer(engine, model, format_) or shop.lookup.best(model, format_):
        return None
    tool = quantizer_for(format_)
    if tool is None:
        return f"no tool here makes {format_}"
    refusal = tool.refusal(model, format_)
    if refusal is not None:
        return refusal
    status = shop.environments.status(tool.environment())
    return None if status.state is EnvironmentState.INSTALLED else f"{tool.name}: {status.detail}"


def make_checkpoint(
    model: Model, format_: str, shop: Workshop, *, calibration: Calibration | None, say: Say
) -> Artefact:
    """The checkpoint, from the cache or made now; its tool is installed when it is not there.

    Raises SpecError when no tool makes the format, and what `Quantizer.make` and `checked_weights`
    raise.
    """
    tool = quantizer_for(format_)
    if tool is None:
        raise nobody_makes(format_)
    cache = shop.places.cache
    made = tool.make(
        model,
        format_,
        calibration=calibration or built_in(),
        environment=shop.environments.install(tool.environment(), say=say),
        cache=cache,
        say=say,
    )
    return checked_weights(made, model, Path(model.folder), cache=cache, say=say)


def give_checkpoint(model: Model, format_: str, shop: Workshop, *, say: Say) -> Artefact:
    """The checkpoint that an engine needs: one that the model's hub has, else made here.

    Raises CandidateError when what the hub has is broken, and as `make_checkpoint`.
    """
    found = shop.lookup.best(model, format_)
    if found is None:
        return make_checkpoint(model, format_, shop, calibration=None, say=say)
    try:
        fetched = shop.lookup.fetch(found, say=say)
    except SpecError as error:
        raise CandidateError(error.code, error.what, why=error.why, fix=error.fix) from error
    cache = shop.places.cache
    return checked_weights(fetched, model, Path(model.folder), cache=cache, say=say)


def give_artefact(
    engine: Engine,
    model: Model,
    format_: str,
    shop: Workshop,
    *,
    environment: Environment,
    say: Say,
    calibration: Calibration | None = None,
) -> Artefact:
    """What `engine` loads for this format, by whoever makes it: a hub, a quantizer or itself.

    Its weights are compared with the original's, once. Raises what `give_checkpoint`,
    `Engine.prepare` and `checked_weights` raise.
    """
    cache = shop.places.cache
    if needs_quantizer(engine, model, format_):
        return give_checkpoint(model, format_, shop, say=say)
    if isinstance(engine, CanCalibrate) and format_ in engine.calibrated_formats():
        made = engine.prepare_calibrated(
            model,
            format_,
            calibration=calibration or built_in(),
            environment=environment,
            cache=cache,
            say=say,
        )
    else:
        made = engine.prepare(model, format_, environment=environment, cache=cache, say=say)
    original = Path(model.folder)
    if isinstance(engine, HasOriginal):
        own = engine.original(model, environment=environment, cache=cache, say=say)
        original = Path(own.folder)
    return checked_weights(made, model, original, cache=cache, say=say)


def make_format(
    model: Model, name: str, shop: Workshop, *, calibration: Calibration | None, say: Say
) -> Artefact:
    """One `--format` of `models quantize`: a quantizer's, else one that an engine makes for itself.

    `openvino-int4` is the engine and its format; a format of one engine alone needs no prefix.
    Raises SpecError for an unknown format, SetupError for an engine that is not installed.
    """
    if quantizer_for(name) is not None:
        return make_checkpoint(model, name, shop, calibration=calibration, say=say)
    maker = _made_by_engines().get(name)
    if maker is None:
        raise nobody_makes(name)
    return give_artefact(
        maker.engine,
        model,
        maker.format,
        shop,
        environment=shop.environments.install(maker.environment, say=say),
        calibration=calibration,
        say=say,
    )


def refusal_of(model: Model, name: str) -> str | None:
    """Why `make_format` would refuse this model, known without starting; `None` if nothing is."""
    tool = quantizer_for(name)
    return None if tool is None else tool.refusal(model, name)


def makeable() -> dict[str, str]:
    """Every format that `make_format` takes, with who makes it."""
    tools = {format_: tool.name for tool in quantizers() for format_ in tool.formats()}
    return {name: maker.engine.name for name, maker in _made_by_engines().items()} | tools


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """An engine that makes a format for itself."""

    engine: Engine
    environment: EnvironmentSpec
    format: str


def _made_by_engines() -> dict[str, _Maker]:
    """What engines make for themselves, by `ENGINE-FORMAT`, and by `FORMAT` where no other engine
    means something by that name.

    Not those that load folders as they are, and not plain floats, which are no quantization.
    """
    engines = usable_engines(with_fake=True).values()
    formats = [format_ for engine in engines for format_ in engine.formats()]
    makers: dict[str, _Maker] = {}
    for engine in engines:
        environment = engine.environment()
        if environment is None or isinstance(engine, LoadsCheckpoints):
            continue
        for format_ in set(engine.formats()) - _FLOATS:
            maker = _Maker(engine=engine, environment=environment, format=format_)
            makers[f"{engine.name}-{format_}"] = maker
            if formats.count(format_) == 1:
                makers[format_] = maker
    return makers


def nobody_makes(name: str) -> SpecError:
    """The error for a format that is not in `makeable`."""
    return SpecError(
        Code.UNKNOWN_NAME,
        f"nothing here makes checkpoints in the format {name!r}",
        why=f"known: {', '.join(sorted(makeable()))}",
        fix="choose one of them, or look for a made one: paceline models find ORG/NAME",
    )
