"""What a policy remembers, moved forward: a clock that cannot jump, recent peaks, quiet time."""

from dataclasses import replace
from typing import Final

from paceline.records.scaling import Memory, Peak
from paceline.records.traffic import Window

MOST_STEP_S: Final = 5.0
"""The scaler's own clock moves at most this far per decision. Decisions come every second or two;
a longer gap means that the machine slept or its clock jumped, and then nothing was observed."""


def advanced(memory: Memory, now_s: float, window: Window) -> Memory:
    """The memory at `now_s` after `window`."""
    seen_s = now_s if memory.seen_s is None else memory.seen_s
    clock_s = memory.clock_s + min(max(now_s - seen_s, 0.0), MOST_STEP_S)
    quiet_since_s = memory.quiet_since_s
    if not window.quiet:
        quiet_since_s = None
    elif quiet_since_s is None:
        quiet_since_s = clock_s
    return replace(
        memory,
        clock_s=clock_s,
        seen_s=now_s,
        quiet_since_s=quiet_since_s,
        service_s=window.service_s or memory.service_s,
    )


def remembered(
    peaks: tuple[Peak, ...], now_s: float, value: float, keep_s: float
) -> tuple[Peak, ...]:
    """With a new value; what is older than `keep_s`, or not above it, can be no maximum again."""
    kept = (peak for peak in peaks if peak.at_s > now_s - keep_s and peak.value > value)
    return (*kept, Peak(at_s=now_s, value=value))


def quiet_s(memory: Memory) -> float:
    """For how long nothing was in flight or queued."""
    return 0.0 if memory.quiet_since_s is None else memory.clock_s - memory.quiet_since_s


def since_s(memory: Memory, then_s: float | None) -> float:
    """How long ago `then_s` was on the scaler's clock; infinite when it never was."""
    return float("inf") if then_s is None else memory.clock_s - then_s


def most(peaks: tuple[Peak, ...]) -> float:
    """The largest value, 0 without any."""
    return peaks[0].value if peaks else 0.0
