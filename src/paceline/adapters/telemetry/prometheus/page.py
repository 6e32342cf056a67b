"""The Prometheus text format, version 0.0.4: lines in, samples out.

Types, help texts, timestamps and exemplars are skipped; what a name means is not decided here.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*?)\})?[ \t]+(?P<value>[^ \t#]+)"
)
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One line of a page."""

    name: str
    labels: dict[str, str]
    value: float


def samples_of(page: str) -> Iterator[Sample]:
    """Every sample of a page with a finite value; lines that are none are skipped."""
    for line in page.splitlines():
        match = None if line.startswith("#") else _LINE.match(line)
        if match is None:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        if math.isfinite(value):
            labels = dict(_LABEL.findall(match["labels"] or ""))
            yield Sample(name=match["name"], labels=labels, value=value)
