"""Use cases around models: look at one, find and make its other formats, make one for speed."""

from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from paceline.app.artefacts import Kept, deployed, held, kept, make_room
from paceline.app.calibration import read_calibration
from paceline.app.checkpoints import make_format, makeable, nobody_makes, refusal_of
from paceline.app.hubs import AnyHub
from paceline.app.places import find_places
from paceline.app.registry import adapter
from paceline.app.synth import write_with, writer_of
from paceline.app.wiring import Workshop
from paceline.errors import CandidateError, Code, PacelineError, SetupError, SpecError
from paceline.ports.engine import Say
from paceline.ports.hub import CanSynthesize, FindsRelatives, HubFactory
from paceline.records.checkpoint import Relatives
from paceline.records.launch import Artefact
from paceline.records.model import Model, SynthPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One `--format` of `models quantize`: the checkpoint, or why there is none."""

    format: str
    artefact: Artefact | None
    why_not: str | None


def inspect_model(name: str, *, allow_remote_code: bool, say: Say) -> Model:
    """The checked model called `name`. Raises as `Hub.find`; hashes its files the first time."""
    return AnyHub(find_places().cache, say=say, allow_remote_code=allow_remote_code).find(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model that a package brings: checked, or why it cannot be used."""

    name: str
    model: Model | None
    why_not: str | None = None


def installed_models(*, say: Say) -> tuple[InstalledModel, ...]:
    """Every model of an installed package, by name; a broken one stops no other."""
    found = []
    for name in sorted({point.name for point in entry_points(group="paceline.models")}):
        try:
            model = inspect_model(name, allow_remote_code=False, say=say)
        except PacelineError as error:
            found.append(
                InstalledModel(name=name, model=None, why_not=f"{error.what}: {error.why}")
            )
        else:
            found.append(InstalledModel(name=name, model=model))
    return tuple(found)


def find_relatives(name: str, *, limit: int, allow_remote_code: bool, say: Say) -> Relatives:
    """Checkpoints of the model `name` in other formats. Raises as `FindsRelatives.relatives`."""
    hub = AnyHub(find_places().cache, say=say, allow_remote_code=allow_remote_code)
    for source in hub.sources():
        if isinstance(source, FindsRelatives) and source.covers(name):
            return source.relatives(name, limit=limit)
    raise SpecError(
        Code.UNKNOWN_NAME,
        f"no hub knows relatives of {name!r}",
        why="only models of a hub say what was made from them; names there are ORG/NAME",
        fix="paceline models find ORG/NAME",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToMake:
    """What `quantize` would do for one format; `why_not` is what can be known without starting."""

    format: str
    maker: str
    why_not: str | None


def plan_quantize(name: str, formats: tuple[str, ...], shop: Workshop) -> tuple[ToMake, ...]:
    """What `quantize` would make, and by which tool. Raises as it does, starts nothing."""
    makers = _makers(formats)
    model = shop.hub.find(name)
    return tuple(
        ToMake(format=format_, maker=makers[format_], why_not=refusal_of(model, format_))
        for format_ in formats
    )


def quantize(
    name: str, formats: tuple[str, ...], shop: Workshop, *, text: Path | None, say: Say
) -> tuple[Model, tuple[Made, ...]]:
    """Make (or find in the cache) `name` in each of `formats`; one that fails stops no other.

    Raises SpecError for an unknown format before anything is made, and as `Hub.find`.
    """
    _makers(formats)
    calibration = None if text is None else read_calibration(text)
    model = shop.hub.find(name)
    made = []
    for format_ in formats:
        try:
            make = partial(make_format, model, format_, shop, calibration=calibration, say=say)
            with held(make, shop.places.cache) as artefact:  # asking for it is a use, too
                made.append(Made(format=format_, artefact=artefact, why_not=None))
        except CandidateError as error:
            say(f"{format_}: {error}")
            made.append(Made(format=format_, artefact=None, why_not=f"{error.what}: {error.why}"))
    return model, tuple(made)


def _makers(formats: tuple[str, ...]) -> dict[str, str]:
    known = makeable()
    for format_ in formats:
        if format_ not in known:
            raise nobody_makes(format_)
    return known


def cached(shop: Workshop) -> tuple[Kept, ...]:
    """Made checkpoints in the cache, least recently used first."""
    return kept(shop.places.cache, deployed(shop.store))


def empty_cache(shop: Workshop, *, limit: str | None, say: Say) -> tuple[Kept, ...]:
    """Remove the least recently used down to `limit`; what was removed. Raises SpecError."""
    return make_room(shop, say, limit=limit)


def plan_synth(shape: str, *, dtype: str, say: Say) -> SynthPlan:
    """What `synthesize` would write. Raises as `CanSynthesize.plan_synth`."""
    writer = writer_of(shape, dtype=dtype)
    return _maker(say).plan_synth(shape, dtype=dtype) if writer is None else writer.plan


def synthesize(shape: str, out: Path, *, dtype: str, seed: int, say: Say) -> Model:
    """Write a random-weight model to `out`. Raises as `CanSynthesize.synthesize`.

    Shapes that an engine writes need its environment; SetupError where it is missing.
    """
    writer = writer_of(shape, dtype=dtype)
    if writer is None:
        return _maker(say).synthesize(shape, out, dtype=dtype, seed=seed)
    written = write_with(writer, out, seed=seed)
    return AnyHub(find_places().cache, say=say).find(str(written))


def _maker(say: Say) -> CanSynthesize:
    make: HubFactory = adapter("hubs", "local")
    hub = make(find_places().cache, say=say)
    if not isinstance(hub, CanSynthesize):
        raise SetupError(
            Code.PLUGIN_BROKEN,
            "the installed hub 'local' cannot make models",
            why=f"{type(hub).__module__}.{type(hub).__name__} lacks `synthesize`",
            fix="reinstall paceline",
        )
    return hub
