"""A real PostgreSQL server on a socket of its own, from the Debian package."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

NUMBERS = itertools.count()
SETTINGS = "-c fsync=off -c synchronous_commit=off -c listen_addresses= -c max_connections=40"


@dataclass(frozen=True)
class Server:
    """A cluster in a folder, heard on a Unix socket there."""

    folder: Path

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def run(self, statement: str) -> None:
        url = self.url("postgres").replace("postgresql:", "postgresql+psycopg:")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def database(self, template: str = "template1") -> str:
        """The URL of a new one."""
        name = f"db{next(NUMBERS)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def start(self) -> None:
        options = f"{SETTINGS} -c unix_socket_directories={self.folder}"
        self._call("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """At once, as a crash would."""
        self._call("pg_ctl", "-w", "-m", "immediate", "stop")

    def initialize(self) -> None:
        self._call("initdb", "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "--no-sync")

    def _call(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        as_user = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        command = [
            *(*as_user, str(_programs() / program)),
            *("-D", str(self.folder / "data"), *arguments),
        ]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Started; skips the test where the programs are not installed."""
    _programs()
    folder = Path(tempfile.mkdtemp(prefix="paceline-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Server(folder)
    try:
        server.initialize()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    beside = shutil.which("initdb")
    if found or beside:
        return (found[-1] if found else Path(str(beside))).parent
    reason = "PostgreSQL is not installed (apt-get install postgresql)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
