"""Parts of the self-contained pages: no script, no font or file from elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Final

MARKED: Final = frozenset({"pass", "fail", "unresolved", "client_bound"})
"""Words that get a colour of their own."""
LONG: Final = 20
"""Letters of a tile's figure from which on it is set smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row of a chart: `parts` are CSS class, start and end, each from 0 in any one unit."""

    name: str
    figure: str
    parts: tuple[tuple[str, float, float], ...]


def page(title: str, body: str) -> str:
    """The whole document; `body` is HTML, `title` is text."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def section(title: str, body: str) -> str:
    """A heading and what stands under it."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def tiles(pairs: Iterable[tuple[str, str]]) -> str:
    """Names with their figures, large; names of variants, which may be long, smaller."""
    cells = "".join(
        f'<div class="card"><span class="soft">{escape(name)}</span>'
        f'<b class="{"long" if len(value) > LONG else "short"}">{escape(value)}</b></div>'
        for name, value in pairs
    )
    return f'<div class="tiles">{cells}</div>'


def cards(charts: Iterable[str]) -> str:
    """Charts side by side where there is room."""
    filled = "".join(f'<div class="card">{chart}</div>' for chart in charts if chart)
    return f'<div class="charts">{filled}</div>'


def bars(rows: Sequence[Bar]) -> str:
    """Names, figures and bars on one scale: text as large as all other, bars as wide as there is
    room. Empty without rows."""
    if not rows:
        return ""
    scale = 1000 / (max(end for row in rows for _, _, end in row.parts) or 1.0)
    cells = []
    for row in rows:
        drawn = "".join(
            f'<rect class="{kind}" x="{start * scale:.1f}" y="0" height="10"'
            f' width="{max((end - start) * scale, 0.0):.1f}"/>'
            for kind, start, end in row.parts
        )
        cells.append(
            f'<span>{escape(row.name)}</span><span class="soft">{escape(row.figure)}</span>'
            f'<svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">{drawn}'
            "</svg>"
        )
    return f'<div class="card bars">{"".join(cells)}</div>'


def folded(summary: str, body: str) -> str:
    """What is shown when it is asked for, and printed always."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    words: frozenset[str],
    caption: str = "",
) -> str:
    """Columns named in `words` lean left and wrap; columns of numbers do neither."""
    wordy = {i for i, name in enumerate(columns) if name in words}
    head = "".join(_cell("th", name, words=i in wordy) for i, name in enumerate(columns))
    lines = [
        f"<tr>{''.join(_cell('td', text, words=i in wordy) for i, text in enumerate(row))}</tr>"
        for row in rows
    ]
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{told}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(element: str, text: str, *, words: bool) -> str:
    kinds = ["text"] if words else []
    if text in MARKED:
        kinds += ["verdict", text]
    attribute = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<{element}{attribute}>{escape(text)}</{element}>"
