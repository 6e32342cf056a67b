"""The gateway's end of the control socket: tables in; pulses, wakes and metrics out."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from paceline.deploy.gateway.wire import MAX_LINE_BYTES, Said, read_told, said_line
from paceline.records.gateway import Table
from paceline.records.serial import Malformed

MOST_UNSENT_BYTES = 4 * 2**20
"""A supervisor that does not read is cut off; it will connect again."""


class Channel:
    """All supervisors that are connected; mostly one."""

    def __init__(self, *, on_table: Callable[[Table], None], metrics: Callable[[], str]) -> None:
        self.on_table = on_table
        self.metrics = metrics
        self.links: set[Link] = set()

    def say(self, said: Said) -> None:
        """Tell everyone."""
        if self.links:
            line = said_line(said)
            for link in list(self.links):
                link.send(line)

    async def listen(self, path: Path) -> asyncio.Server:
        """Listen at a path that only this user may connect to. Raises OSError."""
        if path.is_socket() and not await _answers(path):
            path.unlink()
        before = os.umask(0o177)
        try:
            return await asyncio.get_running_loop().create_unix_server(
                lambda: Link(self), str(path)
            )
        finally:
            os.umask(before)


class Link(asyncio.Protocol):
    """One supervisor."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._partial = bytearray()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._channel.links.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._channel.links.discard(self)

    def data_received(self, data: bytes) -> None:
        self._partial += data
        if len(self._partial) > MAX_LINE_BYTES:
            self._transport.abort()
            return
        if b"\n" not in data:
            return
        *lines, rest = self._partial.split(b"\n")
        self._partial = bytearray(rest)
        for line in lines:
            self._take(bytes(line))

    def send(self, line: bytes) -> None:
        """Write a line, unless this supervisor stopped reading."""
        if self._transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self._transport.abort()
        else:
            self._transport.write(line)

    def _take(self, line: bytes) -> None:
        try:
            table = read_told(line)
        except Malformed as error:
            print(f"control socket: refused a message: {error}", file=sys.stderr)  # noqa: T201
            self._transport.abort()
            return
        if table is None:
            self.send(said_line(self._channel.metrics()))
        else:
            self._channel.on_table(table)


async def _answers(path: Path) -> bool:
    """Whether somebody listens there already."""
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True
