"""Writes that outlive a store that is away: serving goes on, and what was to be stored is, later.

A locked database holds up the writer for seconds; so after a failure nothing is tried for a while,
and writes wait in order. What is wanted stays what was read last. `read` and `flush` are called by
the thread that talks to the store, everything else by the one that decides.
"""

import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from paceline.app.audit import a_note
from paceline.clock import Clock
from paceline.errors import SetupError
from paceline.ports.deployments import Deployments
from paceline.ports.store import StaleWrite
from paceline.records.audit import SERVE, AuditKind
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
    """One line for the operator; a terminal that has gone or a full disk is no reason to end."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
        sys.stderr.flush()


class Journal:
    """The supervisor's pen. `hurry` has `flush` called soon; without it that is done at once."""

    def __init__(
        self, kept: Deployments, clock: Clock, *, hurry: Callable[[], None] | None = None
    ) -> None:
        self._kept = kept
        self._clock = clock
        self._hurry = self.flush if hurry is None else hurry
        self._waiting: deque[Callable[[], None]] = deque()
        self._away_until_s: float | None = None
        self._wanted: tuple[Endpoint, ...] = ()
        self._stored: dict[str, EndpointStatus | None] = {}

    def read(self) -> None:
        """Look up what is wanted, unless the store was away a moment ago."""
        if not self._ready():
            return
        try:
            wanted = self._kept.endpoints()
            stored = {
                name: self._stored[name] if name in self._stored else self._kept.status(name)
                for name in (one.name for one in wanted)
            }
        except SetupError as error:
            self._lost(error)
            return
        self._wanted, self._stored = wanted, stored
        if not self._waiting:
            self._back()

    @property
    def away(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._away_until_s is not None

    def wanted(self) -> tuple[Endpoint, ...]:
        """The endpoints that are wanted, as last read."""
        return self._wanted

    def status(self, name: str) -> EndpointStatus | None:
        """What was stored of an endpoint when it was first seen."""
        return self._stored.get(name)

    def versions(self, endpoint: Endpoint) -> tuple[int, ...]:
        """Those that a wanted endpoint can need: what is wanted, what carried all traffic."""
        status = self._stored.get(endpoint.name)
        stable = None if status is None else status.stable
        return (endpoint.version,) if stable is None else (endpoint.version, stable)

    def replace_endpoint(self, endpoint: Endpoint) -> None:
        """Change what is wanted, unless the user changes it first."""

        def replace() -> None:
            with suppress(StaleWrite):
                self._kept.put_endpoint(endpoint, expected=endpoint.revision)

        self._write(replace)

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
        audited: AuditKind | None = None,
    ) -> None:
        """Append to an endpoint's log and tell the operator.

        With `audited` it goes to the audit trail, too, as a decision of `paceline serve`.
        """
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
        notes = []
        if audited is not None:
            detail = f"version {version} {because}"
            notes = [a_note(audited, detail, actor=SERVE, subject=endpoint, clock=self._clock)]
        self._write(lambda: self._kept.log(line, notes=notes))

    def flush(self) -> None:
        """Try what waits, unless the store was away a moment ago."""
        if self._waiting and self._ready():
            self._drain()

    def now_utc(self) -> str:
        """For people."""
        return self._clock.utc_now().isoformat(timespec="milliseconds")

    def _write(self, write: Callable[[], None]) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
        self._waiting.append(write)
        self._hurry()

    def _drain(self) -> None:
        while self._waiting:
            try:
                self._waiting[0]()
            except SetupError as error:
                self._lost(error)
                return
            self._waiting.popleft()
        self._back()

    def _back(self) -> None:
        if self._away_until_s is not None:
            self._away_until_s = None
            say("the store is back; everything is written")

    def _ready(self) -> bool:
        return self._away_until_s is None or self._clock.monotonic_s() >= self._away_until_s

    def _lost(self, error: SetupError) -> None:
        if self._away_until_s is None:
            say(f"serving goes on without the store: {error.what}: {error.why}")
        self._away_until_s = self._clock.monotonic_s() + TRY_AGAIN_S
