"""Opening the database and its transactions, whichever database it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, cast

from sqlalchemy import Connection, Engine, inspect, select, table
from sqlalchemy import column as sql_column
from sqlalchemy.exc import DBAPIError

from paceline.adapters.stores.sql.migrations import HEAD
from paceline.adapters.stores.sql.sqlite import Sqlite
from paceline.errors import Code, PacelineError, SetupError

_REVISION: Final = table("alembic_version", sql_column("version_num"))


class Dialect(Protocol):
    """What differs between databases."""

    name: str
    """What to call this database in messages; no password in it."""
    engine: Engine

    def reading(self) -> Engine:
        """An engine whose transactions see one state of the database."""
        ...

    def writing(self) -> Engine:
        """An engine whose transactions hold the one write lock from their start."""
        ...

    def meaning(self, error: DBAPIError) -> PacelineError | None:
        """What a failure asks of the operator; `None` for a bug of ours."""
        ...


class Database:
    """A SQLite file, or a PostgreSQL database by its URL."""

    def __init__(self, where: Path | str) -> None:
        self._dialect = _dialect(where)
        with self._translated():
            self._make_current()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with self._translated(), self._dialect.reading().begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start, so that what it reads stays.

        Keep it short, and no network or file work inside.
        """
        with self._translated(), self._dialect.writing().begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._dialect.engine.dispose()

    def _make_current(self) -> None:
        with self._dialect.engine.begin() as connection:
            if _revision(connection) == HEAD:
                return
        # Alembic takes 80 ms to import, which only a new or an old database has to pay.
        from paceline.adapters.stores.sql.upgrade import (  # noqa: PLC0415
            known_revisions,
            upgrade_to_head,
        )

        with self.writing() as connection:
            revision = _revision(connection)  # another process may have been faster
            if revision is not None and revision not in known_revisions():
                raise SetupError(
                    Code.STORE_UNUSABLE,
                    f"the database {self._dialect.name!r} was written by a newer Paceline",
                    why=f"its schema is {revision!r}; this program knows up to {HEAD!r}",
                    fix="install the newer Paceline again, or set PACELINE_DATA to another folder",
                )
            upgrade_to_head(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            found = self._dialect.meaning(error)
            if found is None:
                raise
            raise found from error


def _dialect(where: Path | str) -> Dialect:
    if isinstance(where, Path):
        return Sqlite(where)
    # The driver takes 60 ms to import.
    from paceline.adapters.stores.sql.postgres import Postgres  # noqa: PLC0415

    return Postgres(where)


def _revision(connection: Connection) -> str | None:
    """The schema's revision; `None` when the database is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return cast("str | None", connection.execute(select(_REVISION)).scalar())
