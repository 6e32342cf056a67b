"""The `paceline` command: finds the subcommand, imports only that, turns errors into exit codes."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from paceline import __version__
from paceline.cli.streams import TERMINATED, end_with_the_reader
from paceline.errors import Code, PacelineError, SetupError, SpecError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "optimize": ("paceline.cli.optimize:optimize", "Find the best variant of a model."),
    "plan": ("paceline.cli.plan:plan", "Predict what could serve a model; launches nothing."),
    "bench": ("paceline.cli.bench:bench", "Load-test any OpenAI-compatible endpoint."),
    "runs": ("paceline.cli.runs:app", "Show, compare and cancel stored runs."),
    "eval": ("paceline.cli.eval:eval_command", "Score an endpoint, alone or against another."),
    "verify": ("paceline.cli.verify:verify", "Re-check a receipt offline."),
    "pipelines": ("paceline.cli.versions:pipelines", "List pipelines and their versions in use."),
    "versions": ("paceline.cli.versions:versions", "List the versions of a pipeline."),
    "rollback": ("paceline.cli.versions:rollback", "Point a pipeline to an earlier version."),
    "deploy": ("paceline.cli.deploy:deploy_command", "Say that a version shall be served."),
    "undeploy": ("paceline.cli.deploy:undeploy", "Stop serving an endpoint."),
    "endpoints": ("paceline.cli.endpoints:endpoints", "Show endpoints, their replicas and logs."),
    "serve": ("paceline.cli.serve:serve_command", "Serve every deployed endpoint."),
    "autoscale": ("paceline.cli.autoscale:app", "Try scaling policies on a recorded trace."),
    "keys": ("paceline.cli.keys:app", "Make, list, rotate and revoke keys to endpoints."),
    "workspaces": ("paceline.cli.workspaces:app", "Limit what a workspace's keys use together."),
    "usage": ("paceline.cli.usage:usage", "Show what was served, to whom, and what it cost."),
    "audit": ("paceline.cli.audit:audit", "Show who changed what, and when."),
    "predict": ("paceline.cli.predict:predict", "Predict a table of deployments."),
    "engines": ("paceline.cli.engines:app", "List, install and examine engines."),
    "models": ("paceline.cli.models:app", "Inspect, find, quantize and make models."),
}
"""Name → (where it lives, its line in the help)."""

ARITHMETIC: Final = frozenset({"plan", "predict"})
"""Commands that launch nothing and spread their arithmetic over threads of their own."""

INTERRUPTED: Final = 128 + signal.SIGINT
SHOWN_CHARACTERS: Final = 60


class Terminated(KeyboardInterrupt):
    """SIGTERM: what is under way ends as it does after Ctrl-C, and says how to go on."""


class Interruptible(TyperGroup):
    """Says that it was interrupted; a Typer by itself ends without a word."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # its own class of Click
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as signalled:
            _end_interrupted(signalled)


def build(wanted: str | None) -> typer.Typer:
    """The command line with `wanted` imported; the others are only names with a line of help."""
    app = typer.Typer(
        cls=Interruptible,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(paceline)
    for name, (place, line) in COMMANDS.items():
        found = _load(place) if name == wanted else _unloaded
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, help=line)
        else:
            app.command(name, help=None if name == wanted else line)(found)
    return app


def _load(place: str) -> Callable[..., None] | typer.Typer:
    module, _, name = place.partition(":")
    found: Callable[..., None] | typer.Typer = getattr(importlib.import_module(module), name)
    return found


def _unloaded() -> None:
    raise AssertionError("only the wanted command runs, and that one is loaded")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"paceline {__version__}")
        raise typer.Exit


def paceline(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Measure, rank and serve the best variant of your model.

    Results go to stdout, progress to stderr. Exit codes: 0 ok, 1 our bug, 2 the request is wrong,
    3 the set-up is wrong, 4 no capacity now, 5 no variant satisfies, 6 verification failed.
    """


def main() -> None:
    """Run the command line; never returns."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if wanted in ARITHMETIC:
        # before numpy is imported; more threads underneath make them wait for each other
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    end_with_the_reader()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            build(wanted)()
        finally:
            sys.stdout.flush()
    except PacelineError as error:
        _end(error)
    except KeyboardInterrupt as signalled:  # while the command was still being imported
        _end_interrupted(signalled)
    except OSError as error:
        told = _meaning(error)
        if told is None:
            raise
        _end(told)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    import logging  # noqa: PLC0415 - milliseconds of every command's start

    # Raised amid a task of an event loop it stays there as well, and would be logged as forgotten.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    raise Terminated


def _end_interrupted(signalled: KeyboardInterrupt) -> NoReturn:
    terminated = isinstance(signalled, Terminated)
    typer.echo("terminated" if terminated else "interrupted", err=True)
    sys.exit(TERMINATED if terminated else INTERRUPTED)


def _end(error: PacelineError) -> None:
    typer.echo(f"error: {error}", err=True)
    sys.exit(error.exit_code)


def _meaning(error: OSError) -> PacelineError | None:
    """What can happen wherever a file is named or written; `None` for a bug of ours."""
    if error.errno == errno.ENAMETOOLONG:
        return SpecError(
            Code.BAD_OPTION,
            f"no file can be called {str(error.filename)[:SHOWN_CHARACTERS]!r}…",
            why=f"the name has {len(str(error.filename)):,} characters; {error.strerror}",
            fix="check what the shell made of the argument",
        )
    return _disk_full(error) if error.errno == errno.ENOSPC else None


def _disk_full(error: OSError) -> PacelineError:
    where = f" at {error.filename!r}" if error.filename else ""
    return SetupError(
        Code.DISK_FULL,
        f"the disk is full{where}",
        why=str(error.strerror),
        fix="free some space, or set PACELINE_CACHE and PACELINE_DATA to another disk",
    )
