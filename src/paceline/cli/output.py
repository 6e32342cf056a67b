"""stdout is data, stderr is talk."""

import os
from collections.abc import Sequence

import typer

from paceline.cli.columns import NOT_A_TERMINAL, folded, lay_out, terminal_width
from paceline.cli.documents import print_json

__all__ = ["print_json", "print_table", "print_text"]

HANGING = 2


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A plain table on stdout, readable in a log; its header is bold on a terminal."""
    width = terminal_width() or NOT_A_TERMINAL
    laid = lay_out(columns, rows, width)
    for line in (*folded(title, width), *map(_headed, laid.header)):
        typer.echo(line)
    for row in laid.rows:
        for line in row:
            typer.echo(line)


def _headed(line: str) -> str:
    """Bold, which only a terminal shows, unless its user wants plain text (no-color.org)."""
    return line if os.environ.get("NO_COLOR") else typer.style(line, bold=True)


def print_text(text: str) -> None:
    """A sentence on stdout, folded between words where a terminal would break it anywhere."""
    width = terminal_width()
    if width is None or len(text) <= width:
        typer.echo(text)
        return
    lead = len(text) - len(text.lstrip())
    first, *rest = folded(text, width - lead - HANGING)
    typer.echo(" " * lead + first)
    for line in rest:
        typer.echo(" " * (lead + HANGING) + line)
