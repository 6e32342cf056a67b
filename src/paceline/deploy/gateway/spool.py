"""Writing the usage spool: one line when a request goes to a replica, one when it ends.

All lines of one turn of the event loop are handed to the kernel together, right after it, and only
then do the ends of the answers leave that they account for: no client has an answer whose line is
not the kernel's. What the kernel has outlives this process by any signal; it is not synced to the
disk, so a power failure may take the last seconds. When the disk is full, lines wait in memory and
requests go on. (A mapped file is no faster: its page faults cost as much.)
"""

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson

from paceline.deploy.gateway.complaint import complain
from paceline.deploy.gateway.served import Served
from paceline.deploy.gateway.sse import Counts
from paceline.records.gateway import Ended, EndpointRoute, ReplicaRoute

FILE_BYTES: Final = 32 * 2**20
OK: Final = Ended.OK
ENDED: Final = {ended: ended.value.encode() for ended in Ended}
MOST_WAITING_BYTES: Final = 256 * 2**20


class Spool:
    """Writes `usage-<number>.jsonl` in a folder; every process begins a file of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        wall_s: Callable[[], float] = time.time,
        later: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """`later` calls back when this turn of the loop is over; without it nothing is put off."""
        self._folder = folder
        self._wall_s = wall_s
        self._later = later
        self._turn: list[bytes] = []
        self._at_s = b""
        self._calls: deque[Callable[[], None]] = deque()
        numbers = [int(path.stem.split("-")[1]) for path in folder.glob("usage-*.jsonl")]
        # After a reader deleted files their numbers must not come again: it goes by the order.
        self._number = max([*numbers, int(wall_s() * 1000)])
        self._fd = -1
        self._written = 0
        self._waiting = bytearray()
        self.lost_lines = 0
        self._open_next()

    @property
    def waiting_bytes(self) -> int:
        """What the disk has not taken yet."""
        return len(self._waiting)

    def began(self, request: Served) -> None:
        """It is given to a replica now: to another one when one has failed it."""
        if not self._turn:
            self._begin_turn()
        how, failed_version = b'"began"', request.failed_version
        if failed_version is not None:
            how = b'"moved","failed_version":%d' % failed_version
        self._add(
            b'{"request_id":"%b","at_s":%b,%b"status":0,"ended":%b}\n'
            % (request.request_id, self._at_s, self._who(request), how)
        )

    def ended(
        self,
        request: Served,
        status: int,
        ended: Ended,
        counts: Counts,
        execution_s: float,
        *,
        images: int = 0,
    ) -> None:
        """It is over; the client may know when the line is written, see `when_written`."""
        more = b""
        if request.queue_s or request.cold_s or images:  # what is left out is zero
            more = b',"queue_s":%.6f,"cold_s":%.6f,"images":%d' % (
                request.queue_s,
                request.cold_s,
                images,
            )
        if request.ttft_s is not None:
            more += b',"ttft_s":%.6f' % request.ttft_s
        if request.trace_parent is not None:
            more += b',"trace_parent":"%b"' % request.trace_parent
        if request.replica is None and request.failed_version is not None:
            more += b',"failed_version":%d' % request.failed_version
        if not self._turn:
            self._begin_turn()
        self._add(
            b'{"request_id":"%b","at_s":%b,%b"status":%d,"ended":"%b","execution_s":%de-6,'
            b'"input_tokens":%d,"output_tokens":%d%b}\n'
            % (
                request.request_id,
                self._at_s,
                self._who(request),
                status,
                b"ok" if ended is OK else ENDED[ended],
                int(execution_s * 1e6),  # a float is formatted more slowly
                counts.input_tokens,
                counts.output_tokens,
                more,
            )
        )

    def when_written(self, call: Callable[[], None]) -> None:
        """Call back when all lines so far are the kernel's, or wait in memory for a full disk."""
        if self._turn:
            self._calls.append(call)
        else:
            call()

    def flush(self) -> None:
        """Try again what the disk had no room for; called every now and then."""
        if not self._waiting:
            return
        if self._fd < 0:
            self._open_next()
        written = self._put(self._waiting)
        del self._waiting[:written]

    def close(self) -> None:
        """The process ends."""
        self._end_turn()
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)

    def _who(self, request: Served) -> bytes:
        """The fields that many lines share, as JSON; made once, for a line costs microseconds."""
        replica, meter = request.replica, request.meter
        of = None if meter is None else meter.rule.key_id, request.route.path
        if replica is None:
            return _shared(request.served_by, None, *of)
        shared = replica.usage_fields.get(of)
        if shared is None:
            shared = replica.usage_fields[of] = _shared(request.served_by, replica.route, *of)
        return shared

    def _begin_turn(self) -> None:
        """The lines of a turn have one time: it takes less than a thousandth of a second or two."""
        self._at_s = b"%.6f" % self._wall_s()
        if self._later is not None:
            self._later(self._end_turn)

    def _add(self, line: bytes) -> None:
        if self._later is None:
            self._write(line)
            return
        self._turn.append(line)

    def _end_turn(self) -> None:
        """Write what this turn of the loop brought, and let those go on who wait for it."""
        if self._turn:
            lines = b"".join(self._turn)
            self._turn.clear()
            self._write(lines)
        calls = self._calls
        try:
            while calls:
                calls.popleft()()
        finally:
            if calls and self._later is not None:  # one failed: the others go on without it
                self._later(self._end_turn)

    def _write(self, lines: bytes) -> None:
        written = 0 if self._waiting else self._put(lines)
        if written == len(lines):
            if self._written >= FILE_BYTES:
                self._open_next()
            return
        if not self._waiting:
            complain("the disk takes no more usage; it waits in memory")
        if written == 0 and len(self._waiting) + len(lines) > MOST_WAITING_BYTES:
            self.lost_lines += lines.count(b"\n")
        else:
            self._waiting += lines[written:]

    def _put(self, data: bytes | bytearray) -> int:
        """How many bytes the kernel took."""
        if self._fd < 0:
            return 0
        try:
            written = os.write(self._fd, data)
        except OSError:
            return 0
        self._written += written
        return written

    def _open_next(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        path = self._folder / f"usage-{self._number + 1:016d}.jsonl"
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)
        except OSError as error:
            complain(f"usage waits in memory: {path}: {error}")
            self._fd = -1
            return
        self._number += 1
        self._written = 0


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
