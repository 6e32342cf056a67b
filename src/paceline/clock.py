"""Time as a port: durations from a monotonic clock, timestamps in UTC for people only."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from paceline.units import Seconds


class Clock(Protocol):
    """What reads the time and waits."""

    def monotonic_s(self) -> Seconds:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def utc_now(self) -> datetime:
        """Aware UTC timestamp, for people only: never subtract two of them."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait at least this long."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic_s(self) -> Seconds:
        return Seconds(time.monotonic())

    def utc_now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that tests move by hand; `sleep` moves it too."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def monotonic_s(self) -> Seconds:
        return Seconds(self._elapsed_s)

    def utc_now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def sleep(self, seconds: float) -> None:
        self._elapsed_s += seconds
