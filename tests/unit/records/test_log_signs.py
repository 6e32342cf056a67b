"""The log speaks first, then the exit code, and a process that still runs was given up on."""

import pytest

from paceline.records.launch import Cause, ProcessEnd
from paceline.records.log_signs import LogSign, cause_of

SIGNS = (
    LogSign(pattern="no room", cause=Cause.OUT_OF_MEMORY),
    LogSign(pattern="(?m)^broken", cause=Cause.BAD_CHECKPOINT),
)


def end(exit_code: int | None, log: str = "") -> ProcessEnd:
    return ProcessEnd(exit_code=exit_code, ready=False, waited_s=1.0, log_tail=log)


@pytest.mark.parametrize(
    ("exit_code", "log", "cause"),
    [
        (None, "no room", Cause.TIMED_OUT),
        (1, "no room\nbroken", Cause.OUT_OF_MEMORY),
        (1, "line\nbroken shard", Cause.BAD_CHECKPOINT),
        (1, "it is broken", Cause.CRASHED),
        (-9, "", Cause.OUT_OF_MEMORY),
        (137, "", Cause.OUT_OF_MEMORY),
        (-9, "broken", Cause.BAD_CHECKPOINT),
        (127, "", Cause.MISSING_DEPENDENCY),
        (-11, "", Cause.CRASHED),
        (0, "", Cause.CRASHED),
    ],
)
def test_cause(exit_code: int | None, log: str, cause: Cause) -> None:
    assert cause_of(end(exit_code, log), SIGNS) is cause
