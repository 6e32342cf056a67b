"""SQLite: one file, for one machine.

In WAL mode with `synchronous=NORMAL`. What a killed process had committed is then safe: it was
handed to the kernel. Only a power cut can take the last commits, never a part of one and never
older ones; the price of FULL, a flush to disk for every step of every trial while it is being
measured, would disturb the measurement and buy nothing but the last minutes of a run.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from paceline.errors import Code, PacelineError, SetupError

LOCK_WAIT_S: Final = 10.0
"""How long a write waits for another process's transaction; ours take milliseconds."""

OWNER_ONLY: Final = 0o600
EVERYBODY_ELSE: Final = 0o077
WRITES: Final = "paceline_writes"
PRIMARY_CODE: Final = 0xFF  # SQLite's extended codes keep the primary one in the low byte


class Sqlite:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)
        _keep_private(path)
        self.engine = _engine(path)

    def reading(self) -> Engine:
        """An engine whose transactions see one state of the database."""
        return self.engine

    def writing(self) -> Engine:
        """An engine whose transactions hold the write lock from their start."""
        return self.engine.execution_options(**{WRITES: True})

    def meaning(self, error: DBAPIError) -> PacelineError | None:
        """What a failure asks of the operator; `None` for a bug of ours."""
        return _meaning(error, self._path)


def _keep_private(path: Path) -> None:
    """Only its owner reads it: it says who used what, and holds the digests of keys.

    SQLite gives its other files the mode of this one; those that are there already are changed,
    too. What belongs to somebody else, or cannot be made, is left: SQLite says what is wrong.
    """
    with suppress(OSError):  # only a new one is opened: closing any other would end SQLite's locks
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
    for file in (path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))):
        with suppress(OSError):
            if file.stat().st_mode & EVERYBODY_ELSE:
                file.chmod(OWNER_ONLY)


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


def _meaning(error: DBAPIError, path: Path) -> PacelineError | None:
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
