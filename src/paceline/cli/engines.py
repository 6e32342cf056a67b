"""`paceline engines`: list, install, doctor."""

from functools import partial
from typing import Annotated

import typer

from paceline.app.engines import EngineStatus, engine_statuses, install_engines
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.records.launch import EnvironmentState
from paceline.units import format_duration

app = typer.Typer(rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback(invoke_without_command=True)
def engines(context: typer.Context) -> None:
    """Without a command: the list."""
    if context.invoked_subcommand is None:
        list_engines()


@app.command("list")
def list_engines(as_json: AsJson = False) -> None:
    """Show every engine, its formats and whether it is installed."""
    statuses = engine_statuses(Workshop())
    if as_json:
        print_json({"engines": [_document(status) for status in statuses]})
        return
    print_table(
        "Engines",
        ("engine", "version", "state", "formats", "knobs"),
        [
            (
                status.name,
                status.version,
                status.state.value + (", unverified" if status.unverified else ""),
                " ".join(status.formats),
                " ".join(knob.name for knob in status.knobs) or "–",
            )
            for status in statuses
        ],
    )


@app.command()
def install(
    names: Annotated[list[str], typer.Argument(help="Engines, e.g. transformers openvino.")],
) -> None:
    """Make the environments of engines (network; minutes). What is in place is left alone."""
    say = partial(typer.echo, err=True)
    for name, environment in install_engines(names, Workshop(), say=say):
        if environment is None:
            typer.echo(f"{name}: needs no environment of its own", err=True)
        elif environment.installed_s is None:
            typer.echo(f"{name}: already installed", err=True)
        else:
            took = format_duration(environment.installed_s)
            typer.echo(f"{name}: installed {len(environment.lock)} packages in {took}", err=True)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say for each engine what is installed, what would be, and what is missing.

    With --json also what each engine loads on which accelerators, with the source. Exits 3 when an
    environment is broken.
    """
    statuses = engine_statuses(Workshop(), examine=True)
    if as_json:
        print_json({"engines": [_document(status) | _examined(status) for status in statuses]})
    else:
        for status in statuses:
            _print_examined(status)
    if any(status.state is EnvironmentState.BROKEN for status in statuses):
        raise typer.Exit(3)


def _print_examined(status: EngineStatus) -> None:
    typer.echo(f"{status.name} {status.version}: {status.state.value}")
    typer.echo(f"  {status.detail}")
    if status.environment is not None:
        typer.echo(f"  {len(status.environment.lock)} packages, lock {_short(status)}")
    elif status.requirements:
        typer.echo(f"  would install {', '.join(status.requirements)}")
    if status.unverified is not None:
        typer.echo(f"  unverified: {status.unverified}")
    for need in status.needs:
        if need.found is None:
            typer.echo(f"  missing: {need.name} ({need.why})\n    fix: {need.fix}")
        else:
            typer.echo(f"  found: {need.name}, {need.found}")


def _short(status: EngineStatus) -> str:
    return status.environment.lock_sha256[:12] if status.environment else ""


def _examined(status: EngineStatus) -> dict[str, object]:
    """What `doctor` knows and `list` does not look at."""
    return {
        "needs": [
            {"name": need.name, "found": need.found, "why": need.why, "fix": need.fix}
            for need in status.needs
        ],
        "missing": [need.name for need in status.missing],
        "support": [
            {
                "format": row.format,
                "accelerator": row.kind.value,
                "from_capability": row.from_capability,
                "features": list(row.features),
                "why_not": row.why_not,
                "source": row.source,
            }
            for row in status.support
        ],
    }


def _document(status: EngineStatus) -> dict[str, object]:
    return {
        "name": status.name,
        "version": status.version,
        "state": status.state.value,
        "detail": status.detail,
        "formats": list(status.formats),
        "knobs": {knob.name: list(knob.values) for knob in status.knobs},
        "requirements": list(status.requirements),
        "unverified": status.unverified,
        "lock_sha256": status.environment.lock_sha256 if status.environment else None,
    }
