"""Writes that outlive a store that is away: serving goes on, and what was to be stored is, later.

A locked database holds up the writer for seconds; so after a failure nothing is tried for a while,
and writes wait in order. Reading falls back to what was read last.
"""

import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from paceline.clock import Clock
from paceline.errors import SetupError
from paceline.ports.deployments import Deployments
from paceline.ports.store import StaleWrite
from paceline.records.deployment import (
    Endpoint,
    EndpointStatus,
    LogKind,
    LogLine,
    ReplicaRecord,
    ReplicaStep,
)

TRY_AGAIN_S: Final = 5.0
MOST_WAITING: Final = 50_000
"""Beyond it the oldest writes are given up: the log has a gap then, and says so."""


def say(text: str) -> None:
    """One line for the operator."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
    sys.stderr.flush()


class Journal:
    """The supervisor's pen."""

    def __init__(self, kept: Deployments, clock: Clock) -> None:
        self._kept = kept
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._away_until_s: float | None = None
        self._wanted: tuple[Endpoint, ...] = ()

    def wanted(self) -> tuple[Endpoint, ...]:
        """The endpoints that are wanted; those last read while the store is away."""
        if self._ready():
            try:
                self._wanted = self._kept.endpoints()
            except SetupError as error:
                self._lost(error)
        return self._wanted

    def status(self, name: str) -> EndpointStatus | None:
        """What was stored of an endpoint before; `None` also while the store is away."""
        try:
            return self._kept.status(name)
        except SetupError as error:
            self._lost(error)
            return None

    def replace_endpoint(self, endpoint: Endpoint) -> bool:
        """Change what is wanted; false when the user changed it meanwhile."""
        try:
            self._kept.put_endpoint(endpoint, expected=endpoint.revision)
        except StaleWrite:
            return False
        except SetupError as error:
            self._lost(error)
            return False
        return True

    def add_replica(self, replica: ReplicaRecord) -> None:
        """Store a new one."""
        self._write(lambda: self._kept.add_replica(replica))

    def move_replica(self, step: ReplicaStep, replica: ReplicaRecord) -> None:
        """Store a transition."""
        self._write(lambda: self._kept.move_replica(step, replica))

    def save_status(self, status: EndpointStatus) -> None:
        """Store what is seen."""
        self._write(lambda: self._kept.save_status(status))

    def log(
        self,
        endpoint: str,
        kind: LogKind,
        because: str,
        *,
        version: int | None = None,
        replicas: tuple[int, int] | None = None,
    ) -> None:
        """Append to an endpoint's log and tell the operator."""
        before, after = replicas or (None, None)
        line = LogLine(
            endpoint=endpoint,
            at_utc=self.now_utc(),
            kind=kind,
            because=because,
            version=version,
            replicas_before=before,
            replicas_after=after,
        )
        counts = f" {before} -> {after}" if replicas else ""
        say(f"{endpoint}: {kind.value}{counts}: {because}")
        self._write(lambda: self._kept.log(line))

    def flush(self) -> None:
        """Try what waits; called every second."""
        if self._waiting and self._ready():
            self._drain()

    def now_utc(self) -> str:
        """For people."""
        return self._clock.utc_now().isoformat(timespec="milliseconds")

    def _write(self, write: Callable[[], None]) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
        self._waiting.append(write)
        if self._ready():
            self._drain()

    def _drain(self) -> None:
        while self._waiting:
            try:
                self._waiting[0]()
            except SetupError as error:
                self._lost(error)
                return
            self._waiting.popleft()
        if self._away_until_s is not None:
            self._away_until_s = None
            say("the store is back; everything is written")

    def _ready(self) -> bool:
        return self._away_until_s is None or self._clock.monotonic_s() >= self._away_until_s

    def _lost(self, error: SetupError) -> None:
        if self._away_until_s is None:
            say(f"serving goes on without the store: {error.what}: {error.why}")
        self._away_until_s = self._clock.monotonic_s() + TRY_AGAIN_S
