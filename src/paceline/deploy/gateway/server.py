"""The process: sockets, signals, the regular look at everything, and a clean end."""

import asyncio
import gc
import os
import signal
import ssl
import time
from typing import Any

import uvloop

from paceline.deploy.gateway.channel import Channel
from paceline.deploy.gateway.connection import ClientConnection
from paceline.deploy.gateway.dispatch import Dispatcher
from paceline.deploy.gateway.exchange import Exchange
from paceline.deploy.gateway.exposition import render
from paceline.deploy.gateway.fleet import Fleet
from paceline.deploy.gateway.front import Front
from paceline.deploy.gateway.pulse import take_pulse
from paceline.deploy.gateway.settings import GatewaySettings
from paceline.deploy.gateway.sockets import Sockets
from paceline.deploy.gateway.spool import Spool
from paceline.deploy.gateway.state import keep_table, kept_table, take_folder
from paceline.deploy.gateway.tls import TlsProtocol
from paceline.errors import Code, SetupError
from paceline.records.gateway import Table

BACKLOG = 4_096
TLS_SHUTDOWN_S = 86_400.0
"""None of uvloop's own, which counts from the last write: connections look after their clients."""


class Gateway:
    """Everything of one gateway, wired."""

    def __init__(self, settings: GatewaySettings, *, compiled: bool) -> None:
        self._settings = settings
        self._compiled = compiled
        self._fleet: Fleet[Exchange] = Fleet()
        self._sockets = Sockets(stays=settings.tls_cert is None, busy=settings.busy_poll)
        self._spool = Spool(settings.state, later=self._sockets.at_turn_end)
        self._channel = Channel(on_table=self._take_table, metrics=self._metrics)
        self._dispatcher = Dispatcher(
            settings, self._spool, self._fleet, self._channel.say, self._sockets
        )
        self._front = Front(settings, self._fleet, self._dispatcher)
        self._ending = asyncio.Event()
        self._stop_listening = self._sockets.stop_listening

    async def serve(self) -> None:
        """Serve until a signal, then let what is under way end. Raises SetupError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        table = kept_table(self._settings.state)
        if table is not None:
            self._dispatcher.follow(table)
        control = await self._listen_control()
        port = await self._listen()
        os.write(1, b"listening on %d\n" % port)
        try:
            async with asyncio.TaskGroup() as tasks:  # a fault of the look ends the process
                looking = tasks.create_task(self._look())
                await self._ending.wait()
                await self._drain()
                looking.cancel()
        finally:
            control.close()
            self._settings.control.unlink(missing_ok=True)
            self._spool.close()

    async def _listen(self) -> int:
        """Take connections; the port."""
        settings, tls = self._settings, _tls(self._settings)
        host, port = settings.host, settings.port
        try:
            if tls is None:
                return self._sockets.listen(host, port, BACKLOG, self._connection)
            # Not asyncio's but uvloop's, whose `sockets` are a list.
            server: Any = await asyncio.get_running_loop().create_server(
                lambda: TlsProtocol(self._connection()),
                host,
                port,
                backlog=BACKLOG,
                ssl=tls,
                ssl_shutdown_timeout=TLS_SHUTDOWN_S,
            )
        except OSError as error:
            raise SetupError(
                Code.ADDRESS_IN_USE,
                f"cannot listen on {settings.host}:{settings.port}",
                why=str(error),
                fix="end whatever listens there, or choose another `--port`",
            ) from error
        self._stop_listening = server.close
        listening: int = server.sockets[0].getsockname()[1]
        return listening

    def _connection(self) -> ClientConnection:
        return ClientConnection(self._front)

    async def _listen_control(self) -> asyncio.Server:
        try:
            return await self._channel.listen(self._settings.control)
        except OSError as error:
            raise SetupError(
                Code.ADDRESS_IN_USE,
                f"cannot listen on the control socket {self._settings.control}",
                why=str(error),
                fix="end the gateway that listens there, or choose another `--control`",
            ) from error

    def _take_table(self, table: Table) -> None:
        self._dispatcher.follow(table)
        keep_table(self._settings.state, table)

    def _metrics(self) -> str:
        return render(
            self._fleet, self._front, self._dispatcher, self._spool, compiled=self._compiled
        )

    async def _look(self) -> None:
        """A few times a second: deadlines, breakers, the pulse."""
        while True:
            await asyncio.sleep(self._settings.pulse_s)
            now_s = time.monotonic()
            for client in list(self._front.connections):
                client.look(now_s)
            self._dispatcher.look(now_s)
            self._spool.flush()
            waiting_bytes = self._spool.waiting_bytes
            self._channel.say(
                take_pulse(
                    self._fleet,
                    now_s=now_s,
                    wall_s=time.time(),
                    usage_waiting_bytes=waiting_bytes,
                )
            )

    async def _drain(self) -> None:
        self._stop_listening()
        self._front.draining = True
        for client in list(self._front.connections):
            client.close_if_idle()
        deadline_s = time.monotonic() + self._settings.drain_s
        while self._front.connections and time.monotonic() < deadline_s:
            await asyncio.sleep(0.02)
        for client in list(self._front.connections):
            client.transport.abort()
        await asyncio.sleep(0)  # lets the lost connections be accounted for


def run(settings: GatewaySettings, *, compiled: bool) -> None:
    """Serve until a signal; `compiled` is what this code is. Raises SetupError."""
    take_folder(settings.state)
    gc.freeze()  # what was imported lives for ever; a collection need not look at it again

    async def serve() -> None:
        await Gateway(settings, compiled=compiled).serve()

    uvloop.run(serve())


def _tls(settings: GatewaySettings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(
            Code.BAD_OPTION,
            f"the certificate {settings.tls_cert} cannot be used",
            why=str(error),
            fix="give `--tls-cert` a PEM chain and `--tls-key` its key",
        ) from error
    return context
