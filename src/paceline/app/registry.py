"""Adapters by name, through entry points: imported on first use, broken ones reported."""

import logging
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from paceline.errors import Code, SetupError, SpecError

if TYPE_CHECKING:
    from paceline.ports.engine import Engine

FAKE_ENGINE: Final = "fake"
"""Runs only when it is asked for by name, and is in no list for people."""

PREFERRED_ENGINES: Final = ("transformers", "openvino")
"""The order in which engines are tried when the user names none; the rest follow by name."""

_FAULTS_OF_AN_IMPORT: Final = (
    *(ImportError, SyntaxError, OSError, RuntimeError, AttributeError, NameError),
    *(TypeError, ValueError, LookupError),
)
"""A stranger's module runs any code while it is imported: a library that is not there is an
OSError, a driver that it does not like often a RuntimeError."""

log = logging.getLogger(__name__)


def engine_names() -> tuple[str, ...]:
    """Every engine that an installed package offers, preferred ones first, the fake one last."""
    found = {point.name for point in entry_points(group="paceline.engines")}
    preferred = [name for name in PREFERRED_ENGINES if name in found]
    rest = sorted(found - set(preferred) - {FAKE_ENGINE})
    return (*preferred, *rest, *({FAKE_ENGINE} & found))


def load_engine(name: str) -> "Engine":
    """The engine called `name`.

    Raises SpecError for a name nobody offers, SetupError when its adapter does not import.
    """
    engine: Engine = adapter("engines", name)()
    return engine


def usable_engines(*, with_fake: bool = False) -> "Mapping[str, Engine]":
    """Every engine that can be imported, by name, in the order of `engine_names`.

    For whoever goes through all of them: one broken plugin must not stop the others, so it is said
    once and left out. Where the user named an engine, `load_engine` raises.
    """
    factories = usable_adapters("engines")
    hidden = () if with_fake else (FAKE_ENGINE,)
    names = (name for name in engine_names() if name in factories and name not in hidden)
    return {name: factories[name]() for name in names}


def usable_adapters(kind: str) -> Mapping[str, Callable[..., Any]]:
    """Every factory of a kind that can be imported, by name; the others are said once."""
    return dict(each_usable(kind))


def each_usable(kind: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """As `usable_adapters`, one at a time: whoever stops early imports no more."""
    for point in sorted(entry_points(group=f"paceline.{kind}"), key=lambda point: point.name):
        try:
            factory = _imported(point)
        except SetupError as error:
            _say_once(f"left out: {error}")
            continue
        yield point.name, factory


@cache
def _say_once(text: str) -> None:
    """Once per process, on stderr unless logging is set up otherwise."""
    log.warning("%s", text)


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
    except _FAULTS_OF_AN_IMPORT as error:
        raise SetupError(
            Code.PLUGIN_BROKEN,
            f"the adapter {point.name!r} of {point.group} cannot be imported",
            why=f"{point.value}: {type(error).__name__}: {error}",
            fix=f"reinstall or remove {_package(point)}",
        ) from error
    return factory


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name!r}" if point.dist else "the package that provides it"


def _unknown(kind: str, name: str, known: list[str]) -> SpecError:
    offered = [one for one in known if one != FAKE_ENGINE]
    near = get_close_matches(name, offered, n=1)
    return SpecError(
        Code.UNKNOWN_NAME,
        f"no {kind.removesuffix('s')} is called {name!r}",
        why=f"known: {', '.join(offered) or 'none'}",
        fix=f"did you mean {near[0]!r}?" if near else "choose one of them",
    )
