"""Use cases around models: look at one, make one with random weights."""

from pathlib import Path

from paceline.app.places import find_places
from paceline.app.registry import adapter
from paceline.errors import Code, SetupError
from paceline.ports.engine import Say
from paceline.ports.hub import CanSynthesize, Hub, HubFactory
from paceline.records.model import Model, SynthPlan


def inspect_model(name: str, *, allow_remote_code: bool, say: Say) -> Model:
    """The checked model called `name`. Raises as `Hub.find`; hashes its files the first time."""
    return _hub(allow_remote_code=allow_remote_code, say=say).find(name)


def plan_synth(shape: str, *, dtype: str, say: Say) -> SynthPlan:
    """What `synthesize` would write. Raises as `CanSynthesize.plan_synth`."""
    return _maker(say).plan_synth(shape, dtype=dtype)


def synthesize(shape: str, out: Path, *, dtype: str, seed: int, say: Say) -> Model:
    """Write a random-weight model to `out`. Raises as `CanSynthesize.synthesize`."""
    return _maker(say).synthesize(shape, out, dtype=dtype, seed=seed)


def _hub(*, allow_remote_code: bool, say: Say) -> Hub:
    make: HubFactory = adapter("hubs", "local")
    return make(find_places().cache, say=say, allow_remote_code=allow_remote_code)


def _maker(say: Say) -> CanSynthesize:
    hub = _hub(allow_remote_code=False, say=say)
    if not isinstance(hub, CanSynthesize):
        raise SetupError(
            Code.PLUGIN_BROKEN,
            "the installed hub 'local' cannot make models",
            why=f"{type(hub).__module__}.{type(hub).__name__} lacks `synthesize`",
            fix="reinstall paceline",
        )
    return hub
