"""Adapters by name, through entry points: imported on first use, broken ones reported."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from paceline.errors import Code, SetupError, SpecError
from paceline.ports.engine import Engine

FAKE_ENGINE: Final = "fake"
"""Runs only when it is asked for by name."""

PREFERRED_ENGINES: Final = ("transformers", "openvino")
"""The order in which engines are tried when the user names none; the rest follow by name."""


def engine_names() -> tuple[str, ...]:
    """Every engine that an installed package offers, preferred ones first, the fake one last."""
    found = {point.name for point in entry_points(group="paceline.engines")}
    preferred = [name for name in PREFERRED_ENGINES if name in found]
    rest = sorted(found - set(preferred) - {FAKE_ENGINE})
    return (*preferred, *rest, *({FAKE_ENGINE} & found))


def load_engine(name: str) -> Engine:
    """The engine called `name`.

    Raises SpecError for a name nobody offers, SetupError when its adapter does not import.
    """
    engine: Engine = adapter("engines", name)()
    return engine


def adapter(kind: str, name: str) -> Callable[..., Any]:
    """The factory of an adapter; the caller knows the port it satisfies and says so.

    `kind` is the last part of the entry-point group (`engines`, `stores` …).
    """
    points = {point.name: point for point in entry_points(group=f"paceline.{kind}")}
    if name not in points:
        raise _unknown(kind, name, sorted(points))
    return _imported(points[name])


def _imported(point: EntryPoint) -> Callable[..., Any]:
    try:
        factory: Callable[..., Any] = point.load()
    except (ImportError, AttributeError) as error:
        raise SetupError(
            Code.PLUGIN_BROKEN,
            f"the adapter {point.name!r} of {point.group} cannot be imported",
            why=f"{point.value}: {error}",
            fix="reinstall the package that provides it",
        ) from error
    return factory


def _unknown(kind: str, name: str, known: list[str]) -> SpecError:
    near = get_close_matches(name, known, n=1)
    return SpecError(
        Code.UNKNOWN_NAME,
        f"no adapter of {kind} is called {name!r}",
        why=f"known: {', '.join(known) or 'none'}",
        fix=f"did you mean {near[0]!r}?" if near else "choose one of them",
    )
