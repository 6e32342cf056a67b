"""Fetches pictures that replicas keep. No key is asked for: the replica checks its signature.

A file takes nothing of a replica's capacity, so it neither waits in a queue nor counts for the
breaker, for usage or for the autoscaler. With its replica it is gone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from paceline.deploy.gateway.addresses import Place, place_of
from paceline.deploy.gateway.exchange import Exchange
from paceline.deploy.gateway.fleet import Fleet, Replica
from paceline.deploy.gateway.problems import Problem, not_told_yet
from paceline.deploy.gateway.sockets import Sockets
from paceline.deploy.gateway.upstream import Consumer, UpstreamConnection

MOST_AT_ONCE: Final = 32
"""Each is held whole for a moment, and nobody has shown a key."""
MOST_FILE_BYTES: Final = 32 * 2**20
"""A picture of 2,048 x 2,048 pixels that nothing compresses has 12 MiB."""
CONNECT_S: Final = 2.0
FETCH_S: Final = 10.0
OK: Final = 200
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A picture. `head` are headers that say who kept it."""

    content_type: bytes
    body: bytes
    head: bytes


class Found(NamedTuple):
    """Where a file is."""

    place: Place
    replica: Replica


class Files:
    """All fetches of this gateway that are under way."""

    def __init__(self, fleet: Fleet[Exchange], sockets: Sockets) -> None:
        self._fleet = fleet
        self._sockets = sockets
        self._fetching: set[asyncio.Task[None]] = set()

    def find(self, target: bytes) -> Found | Problem:
        """The file that an address is of, as far as the gateway can tell."""
        if self._fleet.table.revision == 0:
            return not_told_yet()
        place = place_of(target)
        replica = None if place is None else self._fleet.replicas.get(place.replica_id)
        if place is None or replica is None:
            return _no_such_file()
        if len(self._fetching) >= MOST_AT_ONCE:
            message = f"{MOST_AT_ONCE} files are being fetched, which is the most."
            return Problem(status=503, code="no_capacity", message=message, retry_after_s=1.0)
        return Found(place, replica)

    def fetch(self, found: Found, done: Callable[[File | Problem], None]) -> Callable[[], None]:
        """Call back later, never at once; the function that is returned calls it off."""
        task = asyncio.get_running_loop().create_task(self._fetch(found, done))
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)
        self._sockets.leave_soon()

        def call_off() -> None:
            task.cancel()

        return call_off

    async def _fetch(self, found: Found, done: Callable[[File | Problem], None]) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                file = await self._ask(found)
        except TimeoutError:
            file = _failed(f"no file in {FETCH_S:g} s")
        except OSError as error:
            file = _failed(str(error))
        done(file)

    async def _ask(self, found: Found) -> File | Problem:
        pool, route = found.replica.pool, found.replica.route
        upstream = await pool.connect(self._sockets, CONNECT_S)
        whole = _Whole()
        upstream.ask(
            whole,
            f"GET {found.place.target} HTTP/1.1\r\nhost: {route.host}:{route.port}\r\n"
            "accept: */*\r\n\r\n".encode(),
        )
        try:
            body = await whole.body
        except BaseException:  # called off, too late or broken: the connection is of no more use
            if not upstream.lost:
                upstream.drop()
            raise
        status, content_type = upstream.status, upstream.content_type
        pool.give_back(upstream)
        if status == OK:
            return File(content_type=content_type, body=body, head=found.replica.answer_head)
        return _no_such_file() if status == NOT_FOUND else _failed(f"it answered {status}")


class _Whole(Consumer):
    """Waits for a whole answer."""

    __slots__ = ("body",)

    def __init__(self) -> None:
        self.body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def progressed(self, upstream: UpstreamConnection) -> None:
        if self.body.done():
            return
        if upstream.size > MOST_FILE_BYTES:
            self.body.set_exception(OSError(f"a file of more than {MOST_FILE_BYTES} bytes"))
        elif upstream.complete:
            self.body.set_result(upstream.take())

    def streamed(self, upstream: UpstreamConnection, piece: bytes) -> None:
        upstream.add(piece)
        self.progressed(upstream)

    def broke(self, upstream: UpstreamConnection, reason: str) -> None:
        if not self.body.done():
            self.body.set_exception(OSError(reason))


def _no_such_file() -> Problem:
    return Problem(
        status=404,
        code="no_such_file",
        message=(
            "There is no such file: its address is wrong or has expired, newer files made room, or"
            " the replica that kept it has ended."
        ),
    )


def _failed(reason: str) -> Problem:
    message = f"The replica that keeps the file failed: {reason}."
    return Problem(status=502, code="engine_failed", message=message)
