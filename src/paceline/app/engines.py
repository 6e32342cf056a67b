"""What engines there are, and putting their environments in place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paceline.app.checkpoints import quantizers
from paceline.app.registry import load_engine, usable_engines
from paceline.app.wiring import Workshop
from paceline.ports.engine import Engine, HasNeeds, HasSupportTable, Say, Unverified
from paceline.records.launch import Environment, EnvironmentSpec, EnvironmentState
from paceline.records.support import Need, Support
from paceline.records.variant import Knob


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """One engine as `engines list` shows it.

    `requirements` is what an installation would pin, `lock` what is installed. `needs` are things
    besides, found or missing; `support` says with sources what it loads where; `unverified` says
    what was checked instead of a run, `None` when it has run.
    """

    name: str
    version: str
    state: EnvironmentState
    detail: str
    formats: tuple[str, ...]
    knobs: tuple[Knob, ...]
    requirements: tuple[str, ...]
    environment: Environment | None
    needs: tuple[Need, ...]
    support: tuple[Support, ...]
    unverified: str | None

    @property
    def missing(self) -> tuple[Need, ...]:
        """What the machine lacks for this engine."""
        return tuple(need for need in self.needs if need.found is None)


def engine_statuses(shop: Workshop, *, examine: bool = False) -> tuple[EngineStatus, ...]:
    """Every engine that can be imported, but the fake one. Changes nothing, needs no network.

    With `examine`, what is installed is compared with what was (a second per engine).
    """
    return tuple(_status(one, shop, examine=examine) for one in usable_engines().values())


def install_engines(
    names: Sequence[str], shop: Workshop, *, say: Say
) -> Iterator[tuple[str, Environment | None]]:
    """Make the environments of engines or quantizers; `None` for one that needs none.

    Raises SpecError for an unknown name before the first is made, SetupError, as it goes, when one
    cannot be made.
    """
    specs = [(name, _environment_of(name)) for name in names]
    return (
        (name, None if spec is None else shop.environments.install(spec, say=say))
        for name, spec in specs
    )


def _environment_of(name: str) -> EnvironmentSpec | None:
    tool = next((tool for tool in quantizers() if tool.name == name), None)
    return tool.environment() if tool else load_engine(name).environment()


def _status(engine: Engine, shop: Workshop, *, examine: bool) -> EngineStatus:
    spec = engine.environment()
    look = shop.environments.check if examine else shop.environments.status
    found = None if spec is None else look(spec)
    return EngineStatus(
        name=engine.name,
        version=engine.version,
        state=found.state if found else EnvironmentState.INSTALLED,
        detail=found.detail if found else "runs in Paceline's own environment",
        formats=engine.formats(),
        knobs=engine.knobs(),
        requirements=_pins(spec),
        environment=found.environment if found else None,
        needs=engine.needs() if isinstance(engine, HasNeeds) else (),
        support=engine.support() if isinstance(engine, HasSupportTable) else (),
        unverified=engine.unverified() if isinstance(engine, Unverified) else None,
    )


def _pins(spec: EnvironmentSpec | None) -> tuple[str, ...]:
    """What an installation would fetch; of a source, what would be built from it too."""
    if spec is None:
        return ()
    source = spec.source
    built = [f"{source.sdist} (source; builds {', '.join(source.targets)})"] if source else []
    return (*spec.requirements, *built)
