"""Adapters by name, through entry points: imported on first use, broken ones reported."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from paceline.errors import Code, SetupError, SpecError
from paceline.ports.engine import Engine

ENGINES_GROUP = "paceline.engines"
FAKE_ENGINE = "fake"
"""Runs only when it is asked for by name."""

PREFERRED_ORDER = ("transformers", "openvino")
"""The order in which engines are tried when the user names none; the rest follow by name."""


def engine_names() -> tuple[str, ...]:
    """Every engine that an installed package offers, preferred ones first, the fake one last."""
    found = {point.name for point in entry_points(group=ENGINES_GROUP)}
    preferred = [name for name in PREFERRED_ORDER if name in found]
    rest = sorted(found - set(preferred) - {FAKE_ENGINE})
    return (*preferred, *rest, *({FAKE_ENGINE} & found))


def load_engine(name: str) -> Engine:
    """The engine called `name`.

    Raises SpecError for a name nobody offers, SetupError when its adapter does not import.
    """
    for point in entry_points(group=ENGINES_GROUP):
        if point.name == name:
            return _made(point)
    known = engine_names()
    near = get_close_matches(name, known, n=1)
    raise SpecError(
        Code.UNKNOWN_NAME,
        f"no engine is called {name!r}",
        why=f"known engines: {', '.join(known)}",
        fix=f"--engine {near[0] if near else known[0]}",
    )


def _made(point: EntryPoint) -> Engine:
    try:
        factory: Callable[[], Engine] = point.load()
    except (ImportError, AttributeError) as error:
        raise SetupError(
            Code.PLUGIN_BROKEN,
            f"the adapter of engine {point.name!r} cannot be imported",
            why=f"{point.value}: {error}",
            fix="reinstall the package that provides it, or leave the engine out with --engine",
        ) from error
    return factory()
