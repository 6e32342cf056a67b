"""Quantities with their units: the types, how they are read and how they are printed."""

import math
import re
from typing import Final, NewType

Seconds = NewType("Seconds", float)
Usd = NewType("Usd", float)

BYTES_PER_GIB: Final = 2**30
MS_PER_S: Final = 1000.0

MS_BY_UNIT: Final = {
    "us": 0.001,
    "ms": 1.0,
    "s": 1e3,
    "m": 6e4,
    "min": 6e4,
    "h": 3.6e6,
    "d": 8.64e7,
}
_BYTES_BY_UNIT: Final = {
    f"{letter}{kind}": int(base**power)
    for power, letter in enumerate(("", "k", "m", "g", "t"))
    for kind, base in (("b", 1000), ("ib", 1024))
}
_QUANTITY: Final = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*$", re.IGNORECASE)


def parse_duration_s(text: str) -> Seconds | None:
    """`"90s"`, `"10m"`, `"500 ms"` in seconds; `None` when the text is no duration with a unit."""
    match = _QUANTITY.match(text)
    if match is None or match[2].lower() not in MS_BY_UNIT:
        return None
    seconds = float(match[1]) * MS_BY_UNIT[match[2].lower()] / MS_PER_S
    return Seconds(seconds) if math.isfinite(seconds) else None


def parse_bytes(text: str) -> int | None:
    """`"50GB"`, `"1.5 TiB"` in bytes; `None` when the text is no size with a unit."""
    match = _QUANTITY.match(text)
    if match is None or match[2].lower() not in _BYTES_BY_UNIT:
        return None
    return round(float(match[1]) * _BYTES_BY_UNIT[match[2].lower()])


def format_bytes(count: int) -> str:
    """`16.1 GB`, as file sizes are commonly given: in powers of 1000."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def format_duration(seconds: float) -> str:
    """Three significant digits and the unit people would use: `0.42 s`, `3 min 20 s`."""
    if seconds < 1:
        return f"{seconds * MS_PER_S:.3g} ms"
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def format_gib(gib: float) -> str:
    """`61.1 GiB`, or MiB below a tenth of a GiB."""
    return f"{gib:.1f} GiB" if gib >= 0.1 else f"{gib * 1024:.1f} MiB"  # noqa: PLR2004
