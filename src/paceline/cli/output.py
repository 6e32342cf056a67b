"""stdout is data, stderr is talk."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from paceline.cli.documents import print_json

__all__ = ["print_json", "print_table"]


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A plain table on stdout, readable in a log; columns of numbers lean right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 120).print(
        table
    )


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").lstrip("-~<").isdigit() or text in ("", "–")
