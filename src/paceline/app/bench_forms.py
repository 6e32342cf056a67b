"""The written forms of single `bench` options: stages, bounds, arrivals, prefixes, times, files."""

import math
import re
from pathlib import Path
from typing import Final

from paceline.errors import Code, SpecError, reason_of
from paceline.records.load_plan import Arrivals, Stage
from paceline.spec.names import unknown_name
from paceline.units import Seconds, parse_duration_s

_STAGE: Final = re.compile(
    r"(?P<level>\d+(?:\.\d+)?)(?:\.\.(?P<end>\d+(?:\.\d+)?))?(?P<open>/s)?@(?P<duration>.+)"
)


def arrivals_of(text: str | None) -> tuple[Arrivals, float | None]:
    """Open-loop arrivals and the CV of gamma ones; Poisson when nothing is said."""
    name, _, cv = (text or Arrivals.POISSON.value).partition(":")
    choices = (Arrivals.POISSON.value, Arrivals.CONSTANT.value, Arrivals.GAMMA.value)
    if name not in choices:
        raise unknown_name("arrivals", name, (*choices[:2], "gamma:CV"))
    if name != Arrivals.GAMMA.value:
        if cv:
            raise bad_option("--arrivals", f"{name}:{cv}", f"{name} arrivals take no number")
        return Arrivals(name), None
    try:
        number = float(cv)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise bad_option("--arrivals", f"{name}:{cv}", "the CV is a number above 0, e.g. gamma:2")
    return Arrivals(name), number


def stages_of(text: str | None) -> tuple[tuple[Stage, ...], bool]:
    """`LEVEL[..LEVEL][/s]@DURATION,…`; whether they are rates."""
    if text is None:
        return (), False
    stages, kinds = [], set()
    for part in text.replace(" ", "").split(","):
        match = _STAGE.fullmatch(part)
        duration_s = parse_duration_s(match["duration"]) if match else None
        if match is None or not duration_s:
            why = f"{part!r} is not LEVEL@TIME, LEVEL/s@TIME or LEVEL..LEVEL@TIME"
            raise bad_option("--stages", text, why)
        kinds.add(match["open"] is not None)
        end = float(match["end"]) if match["end"] else None
        level = float(match["level"])
        stages.append(Stage(duration_s=duration_s, level=level, end_level=end))
    if len(kinds) > 1:
        raise bad_option(
            "--stages", text, "some levels are requests in flight and others are rates (/s)"
        )
    return tuple(stages), kinds == {True}


def bounds_of(name: str, text: str, *, whole: bool) -> tuple[float | None, float | None]:
    """`LOW:HIGH`, either of them left out."""
    parts = text.split(":")
    if len(parts) != 2:  # noqa: PLR2004 - low and high
        raise bad_option(name, text, "it is LOW:HIGH, and either may be left out, e.g. 4:64 or :64")
    try:
        low, high = (float(part) if part.strip() else None for part in parts)
    except ValueError as error:
        raise bad_option(name, text, str(error)) from error
    for value in (low, high):
        if value is not None and (not value > 0 or (whole and value != int(value))):
            raise bad_option(
                name, text, f"{value:g} is no {'whole number' if whole else 'rate'} above 0"
            )
    if low is not None and high is not None and low > high:
        raise bad_option(name, text, f"its lower end {low:g} is above its upper end {high:g}")
    return low, high


def prefix_of(text: str) -> tuple[int, int]:
    """`TOKENS` or `TOKENS:GROUPS`."""
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() for part in parts) or len(parts) > 2:  # noqa: PLR2004
        raise bad_option("--shared-prefix", text, "it is TOKENS or TOKENS:GROUPS, e.g. 512:16")
    return int(parts[0]), int(parts[1]) if len(parts) > 1 else 1


def duration_of(option: str, text: str | None) -> Seconds | None:
    """A time with its unit, or a plain number of seconds."""
    if text is None:
        return None
    seconds = parse_duration_s(text if text[-1:].isalpha() else f"{text}s")
    if not seconds:
        raise bad_option(option, text, "it is a time above 0, e.g. 30, 30s or 2m")
    return seconds


def lines_of(path: Path | None, option: str) -> list[str] | None:
    if path is None:
        return None
    try:
        # By line feeds alone: in JSON a text may hold other ends of lines as they are (U+2028).
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"{str(path)!r} cannot be read",
            why=reason_of(error),
            fix=f"give a text file with {option}",
        ) from error


def bad_option(option: str, text: str, why: str) -> SpecError:
    return SpecError(
        Code.BAD_OPTION,
        f"{option} {text!r} is not understood",
        why=why,
        fix="`paceline bench --help` has the forms of every option",
    )


def contradiction(what: str, why: str) -> SpecError:
    return SpecError(
        Code.CONTRADICTION,
        f"{what} do not go together",
        why=why,
        fix="leave one of them out",
    )
