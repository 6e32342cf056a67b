"""How soon a version that broke is tried again, and when to stop trying.

A crash counts as a new beginning when the replica had served for a while; otherwise the pauses
double. A version is not given up while a replica of it serves and no other version could take over.
Times are of one monotonic clock.
"""

from dataclasses import dataclass, replace
from typing import Final

from paceline.records.launch import Cause

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
SOUND_S: Final = 60.0
"""A replica that served this long was sound; its crash is not part of a loop."""
STARTS_TRIED: Final = 3
"""Failed starts in a row after which a version that never served counts as failed."""
CRASHES_BORNE: Final = 5
"""Crashes in a row after which one that did serve counts as failed."""

LASTING: Final = frozenset(
    {
        *(Cause.OUT_OF_MEMORY, Cause.UNSUPPORTED, Cause.BAD_FLAG, Cause.BAD_CHECKPOINT),
        *(Cause.MISSING_DEPENDENCY, Cause.GARBAGE, Cause.TIMED_OUT),
    }
)
"""Causes that the next start would meet again."""
MEMORY_TRIED: Final = 2
"""What looks like a lack of memory may be somebody's `kill -9`, or others who used it just then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """Of one version of one endpoint, in a row."""

    count: int = 0
    served: bool = False
    """Whether a replica of it was ever admitted."""
    not_before_s: float = 0.0
    because: str = ""
    """What the last one was."""


def after_admission(crashes: Crashes) -> Crashes:
    """A replica of it serves; the row ends only when it goes on serving."""
    return replace(crashes, served=True)


def after_crash(crashes: Crashes, because: str, *, now_s: float, served_s: float) -> Crashes:
    """A replica broke after having served for `served_s` (0: it never did)."""
    count = 1 if served_s >= SOUND_S else crashes.count + 1
    pause_s = min(FIRST_PAUSE_S * 2 ** (count - 1), LONGEST_PAUSE_S)
    return replace(crashes, count=count, not_before_s=now_s + pause_s, because=because)


def given_up(crashes: Crashes, cause: Cause | None, *, late: bool, needed: bool) -> str | None:
    """Why there is no further try; `None` when there is one.

    `cause` is that of the last crash; `late` is a start that was ended for its time. `needed`:
    another replica of the version serves, and no other version could take over from it.
    """
    if needed:
        return None
    if late:
        return "cold start over its budget"
    tried = MEMORY_TRIED if cause is Cause.OUT_OF_MEMORY else 1
    if cause in LASTING and not crashes.served and crashes.count >= tried:
        return f"{cause.value} would come again"
    most = CRASHES_BORNE if crashes.served else STARTS_TRIED
    if crashes.count < most:
        return None
    what = "crashes" if crashes.served else "failed starts"
    return f"{crashes.count} {what} in a row"
