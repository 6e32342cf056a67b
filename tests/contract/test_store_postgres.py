"""The SQL store on a real PostgreSQL server, which the tests start on a socket of its own."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from paceline.adapters.stores.sql import SqlStore
from paceline.adapters.stores.sql.tables import METADATA
from paceline.errors import Code, SetupError
from paceline.ports.store import Store
from paceline.testing.access import AccessContract
from paceline.testing.deployments import DeploymentsContract
from paceline.testing.stores import StoreContract

pytestmark = pytest.mark.enable_socket
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

    def database(self, template: str) -> str:
        name = f"db{next(NUMBERS)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="paceline-pg-"))
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        as_user = ("runuser", "-u", "postgres", "--")

    def call(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    data = str(folder / "data")
    options = f"{SETTINGS} -c unix_socket_directories={folder}"
    try:
        call("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "--no-sync")
        call("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield Server(folder)
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def template(server: Server) -> str:
    """A database with the tables: copying it is quicker than migrating for every test."""
    server.run("CREATE DATABASE made")
    SqlStore(server.url("made")).close()
    return "made"


class TestPostgresStore(StoreContract, DeploymentsContract, AccessContract):
    @pytest.fixture
    def store(self, server: Server, template: str) -> Iterator[Store]:
        store = SqlStore(server.database(template))
        yield store
        store.close()


def test_its_tables_are_those_of_the_scripts(server: Server, template: str) -> None:
    url = server.database(template).replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://postgres:secret@/none?host={}", "none"),
        ("postgresql://postgres:secret@127.0.0.1:1/db", "refused"),
        ("no url at all", "it is no URL"),
    ],
)
def test_a_database_that_is_not_there_is_told_without_its_password(
    server: Server, url: str, said: str
) -> None:
    with pytest.raises(SetupError, match=said) as caught:
        SqlStore(url.format(server.folder))
    assert caught.value.code is Code.STORE_UNUSABLE
    assert "PACELINE_DATABASE" in caught.value.fix
    assert "secret" not in str(caught.value)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    beside = shutil.which("initdb")
    if found or beside:
        return (found[-1] if found else Path(str(beside))).parent
    reason = "PostgreSQL is not installed (apt-get install postgresql)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
