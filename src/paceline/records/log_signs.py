"""Why an engine ended, read from its exit code and its log.

Each engine's adapter declares its signs as data, with a captured log per sign as the test; the rule
that applies them is here, once.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paceline.records.launch import Cause, ProcessEnd

# The kernel kills the largest process when memory runs out; shells and containers report it so.
_KILLED: Final = (-signal.SIGKILL, 128 + signal.SIGKILL)
_NOT_STARTED: Final = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSign:
    """A regular expression that, found anywhere in the log's tail, means this cause."""

    pattern: str
    cause: Cause


def cause_of(end: ProcessEnd, signs: Sequence[LogSign]) -> Cause:
    """The cause of the first sign found; without any, what the exit code says.

    A process that still runs was given up on, whatever its log says.
    """
    if end.exit_code is None:
        return Cause.TIMED_OUT
    for sign in signs:
        if re.search(sign.pattern, end.log_tail):
            return sign.cause
    if end.exit_code in _KILLED:
        return Cause.OUT_OF_MEMORY
    if end.exit_code == _NOT_STARTED:
        return Cause.MISSING_DEPENDENCY
    return Cause.CRASHED
