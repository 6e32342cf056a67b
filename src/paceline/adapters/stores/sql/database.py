"""Opening the database, its transactions, and what its failures mean to the user.

SQLite in WAL mode with `synchronous=NORMAL`. What a killed process had committed is then safe:
it was handed to the kernel. Only a power cut can take the last commits, never a part of one and
never older ones; the price of FULL, a flush to disk for every step of every trial while it is
being measured, would disturb the measurement and buy nothing but the last minutes of a run.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, table
from sqlalchemy import column as sql_column
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from paceline.adapters.stores.sql.migrations import HEAD
from paceline.errors import Code, PacelineError, SetupError

LOCK_WAIT_S: Final = 10.0
"""How long a write waits for another process's transaction; ours take milliseconds."""

WRITES: Final = "paceline_writes"
PRIMARY_CODE: Final = 0xFF  # SQLite's extended codes keep the primary one in the low byte
_REVISION: Final = table("alembic_version", sql_column("version_num"))


class Database:
    """One SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _engine(path)
        with self._translated():
            self._make_current()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start, so that what it reads stays.

        Keep it short, and no network or file work inside.
        """
        engine = self._engine.execution_options(**{WRITES: True})
        with self._translated(), engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _make_current(self) -> None:
        with self._engine.begin() as connection:
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
                    f"the database {str(self._path)!r} was written by a newer Paceline",
                    why=f"its schema is {revision!r}; this program knows up to {HEAD!r}",
                    fix="install the newer Paceline again, or set PACELINE_DATA to another folder",
                )
            upgrade_to_head(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            found = _meaning(error, self._path)
            if found is None:
                raise
            raise found from error


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": LOCK_WAIT_S, "isolation_level": None}
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(driver_connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    mode = driver_connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    # Some network file systems cannot do WAL; the older journal needs the flushes.
    driver_connection.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
    driver_connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    """The driver's own BEGIN is off (`isolation_level=None`): it comes late and never locks."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str | None:
    """The schema's revision; `None` when the database is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return cast("str | None", connection.execute(select(_REVISION)).scalar())


def _meaning(error: DBAPIError, path: Path) -> PacelineError | None:
    """What a failure of SQLite asks of the operator; `None` for a bug of ours."""
    cause = error.orig
    if not isinstance(cause, sqlite3.Error):
        return None
    code = getattr(cause, "sqlite_errorcode", 0) & PRIMARY_CODE  # absent where Python raises
    what, where = f"cannot use the database {str(path)!r}", f"SQLite says {str(cause)!r}"
    match code:
        case sqlite3.SQLITE_FULL:
            return SetupError(
                Code.DISK_FULL,
                f"no room to write to the database {str(path)!r}",
                why=where,
                fix=f"free some space on the disk of {str(path.parent)!r}, then go on with"
                " `paceline optimize --resume RUN`",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            why = f"another process has held its lock for {LOCK_WAIT_S:.0f} s"
            fix = f"see who has it open with `fuser {path}`, end that process, and try again"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            why, fix = where, "make it writable, or set PACELINE_DATA to a folder you own"
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            why = where
            fix = f"put it aside with `mv {path} {path}.damaged`; receipts do not depend on it"
        case sqlite3.SQLITE_IOERR:
            why, fix = where, "check the disk (`dmesg`), or set PACELINE_DATA to another one"
        case _:
            return None
    return SetupError(Code.STORE_UNUSABLE, what, why=why, fix=fix)
