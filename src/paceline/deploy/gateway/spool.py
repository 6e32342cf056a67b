"""Writing the usage spool: one line when a request goes to a replica, one when it ends.

Lines are copied into a mapping of a file whose room is reserved beforehand. What is copied belongs
to the kernel and outlives this process by any signal, and a line costs no system call; it is not
synced to the disk, so a power failure may take the last seconds. When the disk has no room for
another file, lines wait in memory and requests go on.
"""

import mmap
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
from paceline.records.gateway import Ended, EndpointRoute, ReplicaRoute

FILE_BYTES: Final = 8 * 2**20
ENDED: Final = {ended: ended.value.encode() for ended in Ended}
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
    """Writes `usage-<number>.jsonl` in a folder; every process begins a file of its own."""

    def __init__(self, folder: Path, *, wall_s: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._wall_s = wall_s
        numbers = [int(path.stem.split("-")[1]) for path in folder.glob("usage-*.jsonl")]
        # After a reader deleted files their numbers must not come again: it goes by the order.
        self._number = max([*numbers, int(wall_s() * 1000)])
        self._map: mmap.mmap | None = None
        self._fd = -1
        self._at = 0
        self._waiting: list[bytes] = []
        self.waiting_bytes = 0
        """What the disk has not taken yet."""
        self.lost_lines = 0
        self._open_next()

    def began(self, request: Accounted) -> None:
        """It is given to a replica now."""
        self._write(
            b'{"request_id":"%b","at_s":%.6f,%b"status":0,"ended":"began"}\n'
            % (request.request_id, self._wall_s(), self._who(request))
        )

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
        more = b""
        if request.queue_s or request.cold_s or images:  # what is left out is zero
            more = b',"queue_s":%.6f,"cold_s":%.6f,"images":%d' % (
                request.queue_s,
                request.cold_s,
                images,
            )
        self._write(
            b'{"request_id":"%b","at_s":%.6f,%b"status":%d,"ended":"%b","execution_s":%.6f,'
            b'"input_tokens":%d,"output_tokens":%d%b}\n'
            % (
                request.request_id,
                self._wall_s(),
                self._who(request),
                status,
                ENDED[ended],
                execution_s,
                counts.input_tokens,
                counts.output_tokens,
                more,
            )
        )

    def flush(self) -> None:
        """Try again what the disk had no room for; called every now and then."""
        if self._map is None and self._open_next():
            waiting, self._waiting, self.waiting_bytes = self._waiting, [], 0
            for line in waiting:
                self._write(line)

    def close(self) -> None:
        """The process ends."""
        self.flush()
        self._close_file()

    def _who(self, request: Accounted) -> bytes:
        """The fields that many lines share, as JSON; made once, for a line costs microseconds."""
        replica, meter = request.replica, request.meter
        key_id = None if meter is None else meter.rule.key_id
        path = request.route.path
        if replica is None:
            return _shared(request.served_by, None, key_id, path)
        shared = replica.usage_fields.get((key_id, path))
        if shared is None:
            shared = replica.usage_fields[(key_id, path)] = _shared(
                request.served_by, replica.route, key_id, path
            )
        return shared

    def _write(self, line: bytes) -> None:
        end = self._at + len(line)
        if self._map is not None and end > FILE_BYTES:
            self._close_file()
            self._open_next()
            end = len(line)
        if self._map is None:
            self._keep(line)
            return
        self._map[self._at : end] = line
        self._at = end

    def _keep(self, line: bytes) -> None:
        """In memory, until there is room."""
        if self.waiting_bytes + len(line) > MOST_WAITING_BYTES:
            self.lost_lines += 1
            return
        self._waiting.append(line)
        self.waiting_bytes += len(line)

    def _open_next(self) -> bool:
        """Reserve room for the next file; `False` when there is none."""
        path = self._folder / f"usage-{self._number + 1:016d}.jsonl"
        fd = -1
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            os.posix_fallocate(fd, 0, FILE_BYTES)
            self._map = mmap.mmap(fd, FILE_BYTES)
        except OSError as error:
            if not self._waiting:
                print(f"usage waits in memory: {path}: {error}", file=sys.stderr)  # noqa: T201
            if fd >= 0:
                os.close(fd)
                path.unlink(missing_ok=True)
            return False
        self._number += 1
        self._fd, self._at = fd, 0
        return True

    def _close_file(self) -> None:
        """Give the room behind the last line back."""
        if self._map is not None:
            self._map.close()
            os.ftruncate(self._fd, self._at)
            os.close(self._fd)
        self._map, self._at = None, 0


def _shared(
    endpoint: EndpointRoute, replica: ReplicaRoute | None, key_id: str | None, path: str
) -> bytes:
    fields = {
        "workspace": endpoint.workspace,
        "endpoint": endpoint.name,
        "version": endpoint.version if replica is None else replica.version,
        "replica_id": None if replica is None else replica.replica_id,
        "key_id": key_id,
        "route": path,
    }
    return orjson.dumps(fields)[1:-1] + b","
