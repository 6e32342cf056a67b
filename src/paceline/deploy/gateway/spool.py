"""Writing the usage spool: one line when a request goes to a replica, one when it ends.

A line is handed to the kernel at once, so that it outlives this process by any signal; it is not
synced to the disk, so a power failure may take the last seconds. When the disk is full, lines wait
in memory and requests go on.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import orjson

from paceline.deploy.gateway.fleet import Replica
from paceline.deploy.gateway.limits import KeyMeter
from paceline.deploy.gateway.routes import Route
from paceline.deploy.gateway.sse import Counts
from paceline.records.gateway import Ended, EndpointRoute

FILE_BYTES: Final = 32 * 2**20
MOST_WAITING_BYTES: Final = 256 * 2**20


class Accounted(Protocol):
    """A request as far as its account is concerned."""

    @property
    def request_id(self) -> bytes: ...
    @property
    def meter(self) -> KeyMeter | None: ...
    @property
    def route(self) -> Route: ...
    @property
    def replica(self) -> Replica | None: ...
    @property
    def queue_s(self) -> float: ...
    @property
    def cold_s(self) -> float: ...
    @property
    def served_by(self) -> EndpointRoute: ...


class Spool:
    """Appends to `usage-<number>.jsonl` in a folder; every process begins a file of its own."""

    def __init__(self, folder: Path, *, wall_s: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._wall_s = wall_s
        numbers = [int(path.stem.split("-")[1]) for path in folder.glob("usage-*.jsonl")]
        # After a reader deleted files their numbers must not come again: it goes by the order.
        self._number = max([*numbers, int(wall_s() * 1000)])
        self._fd = -1
        self._written = 0
        self._waiting = bytearray()
        self.lost_lines = 0
        self._open_next()

    def began(self, request: Accounted) -> None:
        """It is given to a replica now."""
        self._write(self._line(request, 0, Ended.BEGAN, NO_COUNTS, 0.0, images=0))

    def ended(
        self,
        request: Accounted,
        status: int,
        ended: Ended,
        counts: Counts,
        execution_s: float,
        *,
        images: int = 0,
    ) -> None:
        """It is over; call this before the client can know."""
        self._write(self._line(request, status, ended, counts, execution_s, images=images))

    def flush(self) -> None:
        """Try again what the disk had no room for."""
        if self._waiting:
            self._put(b"")

    @property
    def waiting_bytes(self) -> int:
        """What the disk has not taken yet."""
        return len(self._waiting)

    def close(self) -> None:
        """The process ends."""
        self.flush()
        os.close(self._fd)

    def _line(
        self,
        request: Accounted,
        status: int,
        ended: Ended,
        counts: Counts,
        execution_s: float,
        *,
        images: int,
    ) -> bytes:
        route, replica, meter = request.served_by, request.replica, request.meter
        return orjson.dumps(
            {
                "request_id": request.request_id.decode(),
                "at_s": self._wall_s(),
                "workspace": route.workspace,
                "endpoint": route.name,
                "version": route.version if replica is None else replica.route.version,
                "replica_id": None if replica is None else replica.replica_id,
                "key_id": None if meter is None else meter.rule.key_id,
                "route": request.route.path,
                "status": status,
                "ended": ended,
                "queue_s": request.queue_s,
                "cold_s": request.cold_s,
                "execution_s": execution_s,
                "input_tokens": counts.input_tokens,
                "output_tokens": counts.output_tokens,
                "images": images,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )

    def _write(self, line: bytes) -> None:
        if self._waiting:
            self._put(line)
            return
        try:
            written = os.write(self._fd, line)
        except OSError:
            written = 0
        self._written += written
        if written < len(line):
            self._put(line[written:])
        elif self._written >= FILE_BYTES:
            self._open_next()

    def _put(self, line: bytes) -> None:
        """Keep a line, or the rest of one, and write what can be written."""
        if not self._waiting:
            print("usage spool: the disk takes no more; lines wait in memory", file=sys.stderr)  # noqa: T201
        if len(self._waiting) + len(line) > MOST_WAITING_BYTES:
            self.lost_lines += 1
            return
        self._waiting += line
        try:
            written = os.write(self._fd, self._waiting)
        except OSError:
            return
        del self._waiting[:written]
        self._written += written

    def _open_next(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._number += 1
        path = self._folder / f"usage-{self._number:016d}.jsonl"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)
        self._written = 0


NO_COUNTS: Final = Counts(0, 0)
