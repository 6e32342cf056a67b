"""What uv's words mean for the person who has to act.

uv has one exit code for everything, so its text is all there is; `tests/golden/environments` holds
captured output per cause.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError

_TAIL_LINES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    pattern: re.Pattern[str]
    code: Code
    what: str
    fix: str


_MEANINGS: Final = (
    _Meaning(
        pattern=re.compile(r"No space left on device|os error 28|Disk quota exceeded"),
        code=Code.DISK_FULL,
        what="the disk is full",
        fix="free space under {folder}, or set PACELINE_CACHE to a larger disk",
    ),
    _Meaning(
        pattern=re.compile(r"Permission denied|Operation not permitted|Read-only file system"),
        code=Code.CACHE_UNWRITABLE,
        what="the engine cache cannot be written",
        fix="give yourself write access to {folder}, or set PACELINE_CACHE",
    ),
    _Meaning(
        pattern=re.compile(r"No solution found|Because .* depends on|unsatisfiable"),
        code=Code.INSTALL_FAILED,
        what="the engine's requirements cannot be met together",
        fix="see the lines above; an index that lacks a pinned version causes this too",
    ),
    _Meaning(
        pattern=re.compile(
            r"Failed to fetch|error sending request|dns error|Could not connect|"
            r"Connection (refused|reset)|timed out|tls handshake|invalid peer certificate",
            re.IGNORECASE,
        ),
        code=Code.INSTALL_FAILED,
        what="the package index cannot be reached",
        fix="check the connection or the proxy, or name a mirror: export UV_DEFAULT_INDEX=URL",
    ),
)


def failure(name: str, output: str, folder: Path) -> SetupError:
    """The error for an installation of `name` that failed with this output."""
    tail = "\n".join(output.strip().splitlines()[-_TAIL_LINES:])
    for meaning in _MEANINGS:
        if meaning.pattern.search(output):
            return SetupError(
                meaning.code,
                f"the environment of {name!r} cannot be installed: {meaning.what}",
                why=tail,
                fix=meaning.fix.format(folder=folder),
            )
    return SetupError(
        Code.INSTALL_FAILED,
        f"the environment of {name!r} cannot be installed",
        why=tail or "uv said nothing",
        fix=f"paceline engines install {name}, and report the lines above if it fails again",
    )
