"""The gateway as a child process: started, connected to, started again when it dies.

It runs behind the executor's shim like an engine, so it ends with its supervisor however that
ends. Across its own restarts it keeps its state folder (the last table, the usage spool); a new
supervisor begins without the old table, whose replicas are gone.
"""

import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from paceline.app.wiring import Workshop
from paceline.deploy.gateway.control import GatewayControl, GatewayGone
from paceline.errors import Code, SetupError
from paceline.ports.executor import Server
from paceline.records.gateway import Pulse, Table, Wake
from paceline.records.launch import LaunchSpec

LISTENS_WITHIN_S: Final = 20.0
GRACE_S: Final = 35.0
"""It gives requests under way 30 s."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
SOUND_S: Final = 30.0
LONGEST_SOCKET_PATH: Final = 100
"""Linux takes 107 bytes."""
_LISTENING: Final = re.compile(rb"^listening on (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """Where it listens; port 0 is a free one. With a certificate (a PEM chain) it speaks TLS only.

    `tls_key` is `None` where the key is in the file of the certificate. With `busy_poll` it does
    not sleep under load.
    """

    host: str
    port: int
    tls_cert: Path | None = None
    tls_key: Path | None = None
    busy_poll: bool = False

    @property
    def scheme(self) -> str:
        return "http" if self.tls_cert is None else "https"


class GatewayProcess:
    """One gateway at a time. Used by one thread."""

    def __init__(self, shop: Workshop, options: GatewayOptions) -> None:
        self._shop = shop
        self._options = options
        self.state = state_folder(shop)
        self.port = options.port
        self._socket = socket_path(self.state)
        self._log = shop.places.logs / "gateway.log"
        self._running = ExitStack()
        self._server: Server | None = None
        self.control: GatewayControl | None = None
        self.deaths = 0
        self._started_s = 0.0
        self._pause_s = 0.0
        self._not_before_s = 0.0
        self._table: Table | None = None

    def start(self) -> None:
        """The first one. Raises SetupError when it cannot listen."""
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "table.json").unlink(missing_ok=True)
        self._start()

    def revive(self) -> bool:
        """Start it again when it died and the pause after that is over; whether it runs."""
        if self.control is not None:
            return True
        if self._shop.clock.monotonic_s() < self._not_before_s:
            return False
        try:
            self._start()
        except SetupError:
            self.lost()
            return False
        if self._table is not None:
            self.send(self._table)
        return self.control is not None

    def send(self, table: Table) -> None:
        """Serve by this; a gateway that is away gets it when it is back."""
        self._table = table
        if self.control is not None:
            try:
                self.control.send_table(table)
            except GatewayGone:
                self.lost()

    def receive(self) -> Sequence[Pulse | Wake]:
        """What it said since, without waiting. When it has gone, `control` is `None` after."""
        said: list[Pulse | Wake] = []
        try:
            while self.control is not None:
                message = self.control.receive(0.0)
                if message is None:
                    break
                said.append(message)
        except GatewayGone:
            self.lost()
        return said

    def lost(self) -> None:
        """It died: end what is left of it and pause before the next start."""
        now_s = self._shop.clock.monotonic_s()
        self.deaths += 1
        self._hang_up()
        self._running.close()
        sound = now_s - self._started_s >= SOUND_S
        self._pause_s = (
            FIRST_PAUSE_S if sound or not self._pause_s else min(2 * self._pause_s, LONGEST_PAUSE_S)
        )
        self._not_before_s = now_s + self._pause_s

    def stop(self) -> None:
        """Let requests under way end, then end it."""
        self._hang_up()
        self._running.close()

    def command(self) -> tuple[str, ...]:
        """What is run."""
        options = self._options
        files = {"--tls-cert": options.tls_cert, "--tls-key": options.tls_key}
        tls = [(option, str(path)) for option, path in files.items() if path is not None]
        return (
            *(sys.executable, "-m", "paceline.deploy.gateway"),
            *("--host", options.host, "--port", str(self.port)),
            *("--control", str(self._socket), "--state", str(self.state)),
            *chain.from_iterable(tls),
            *(("--busy-poll",) if options.busy_poll else ()),
        )

    def _start(self) -> None:
        self._started_s = self._shop.clock.monotonic_s()
        before = self._log.stat().st_size if self._log.exists() else 0
        self._server = self._running.enter_context(
            self._shop.executor.start(self._launch, log_path=self._log)
        )
        try:
            self.port = self._await_listening(self._server, before)
            self.control = GatewayControl.connect(self._socket)
        except GatewayGone as error:
            self._running.close()
            raise self._failed(str(error)) from error
        except SetupError:
            self._running.close()
            raise

    def _launch(self, _: int) -> LaunchSpec:
        return LaunchSpec(
            argv=self.command(),
            env={
                name: os.environ[name]
                for name in ("PACELINE_DATA", "PACELINE_CACHE")
                if name in os.environ
            },
            port=self.port,
            ready_path="/",
            model_name="",
            grace_s=GRACE_S,
            ready_timeout_s=LISTENS_WITHIN_S,
        )

    def _await_listening(self, server: Server, before: int) -> int:
        """Its port, from what it printed; it answers no path that needs no table."""
        deadline_s = time.monotonic() + LISTENS_WITHIN_S
        while time.monotonic() < deadline_s:
            with self._log.open("rb") as log:
                log.seek(before)
                found = _LISTENING.search(log.read())
            if found is not None:
                return int(found[1])
            end = server.poll()
            if end is not None:
                raise self._failed(_why(end.log_tail))
            time.sleep(0.02)
        raise self._failed(f"it did not listen within {LISTENS_WITHIN_S:g} s")

    def _failed(self, why: str) -> SetupError:
        return SetupError(
            Code.GATEWAY_FAILED,
            f"the gateway cannot listen on {self._options.host}:{self._options.port}",
            why=why or "it ended without a word",
            fix=f"--port with a free one; its log is {str(self._log)!r}",
        )

    def _hang_up(self) -> None:
        if self.control is not None:
            self.control.close()
            self.control = None


def _why(log_tail: str) -> str:
    """The reason in an error as ours are printed; of anything else its last line."""
    lines = [line.strip() for line in log_tail.strip().splitlines()]
    reasons = (line.removeprefix("why: ") for line in lines if line.startswith("why: "))
    return next(reasons, lines[-1] if lines else "")


def state_folder(shop: Workshop) -> Path:
    """Where the gateway keeps its last table and the usage spool."""
    return shop.places.data / "gateway"


def socket_path(state: Path) -> Path:
    """In the state folder; where that path is too long for a socket, in a folder of this user."""
    inside = state / "gateway.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    folder = Path(tempfile.gettempdir()) / f"paceline-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            f"cannot use {str(folder)!r} for the gateway's socket",
            why="it belongs to somebody else, or others may write to it",
            fix="set PACELINE_DATA to a folder with a shorter name",
        )
    digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
    return folder / f"{digest}.sock"
