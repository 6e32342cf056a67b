"""The SQL store on a real PostgreSQL server, which the tests start on a socket of its own."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from tests.postgres import Server, postgres_server

from paceline.adapters.stores.sql import SqlStore
from paceline.adapters.stores.sql.tables import METADATA
from paceline.adapters.stores.sql.upgrade import scripts_config
from paceline.errors import Code, SetupError
from paceline.ports.store import Store
from paceline.records.deployment import policy_of
from paceline.records.serial import pack
from paceline.records.usage import UsageBy
from paceline.testing.access import AccessContract
from paceline.testing.audit import AuditContract, an_event
from paceline.testing.deployments import DeploymentsContract, an_endpoint
from paceline.testing.stores import StoreContract

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="module")
def template(server: Server) -> str:
    """A database with the tables: copying it is quicker than migrating for every test."""
    server.run("CREATE DATABASE made")
    SqlStore(server.url("made")).close()
    return "made"


class TestPostgresStore(StoreContract, DeploymentsContract, AccessContract, AuditContract):
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


def test_what_is_deployed_when_policies_come_is_kept_with_its_version(server: Server) -> None:
    url, config, wanted = server.database(), scripts_config(), replace(an_endpoint(), revision=3)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        connection.execute(
            text("INSERT INTO endpoints VALUES ('demo', 'demo', 3, :record, NULL)"),
            {"record": pack(wanted)},
        )
    engine.dispose()
    store = SqlStore(url)
    assert store.deployments.policies_of("demo") == (policy_of(wanted),)
    assert store.access.replica_shares(by=UsageBy.VERSION) == ()
    store.close()


@pytest.mark.parametrize(
    "change", ["UPDATE events SET actor = 'nobody'", "DELETE FROM events", "TRUNCATE events"]
)
def test_the_database_refuses_to_change_the_audit_trail(
    server: Server, template: str, change: str
) -> None:
    url = server.database(template)
    store = SqlStore(url)
    store.note(an_event())
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert len(store.events()) == 1
    engine.dispose()
    store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://postgres:secret@/none?host={}", "none"),
        ("postgresql://postgres:secret@127.0.0.1:1/db", "refused"),
        ("no url at all", "it is no URL"),
        ("sqlite:///here.db", "begins with sqlite://"),
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
