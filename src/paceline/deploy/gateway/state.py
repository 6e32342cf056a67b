"""The gateway's folder: the last table, and the lock that keeps a second gateway out."""

import fcntl
import os
from pathlib import Path

from paceline.deploy.gateway.complaint import complain
from paceline.errors import Code, SetupError
from paceline.records.gateway import Table
from paceline.records.serial import Malformed, NewerSchema, pack, unpack

TABLE = "table.json"
LOCK = "gateway.lock"


def take_folder(folder: Path) -> int:
    """Make it if it is missing, and lock it until this process ends. Raises SetupError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SetupError(
            Code.ADDRESS_IN_USE,
            f"another gateway uses the folder {folder}",
            why=f"it holds {LOCK}",
            fix="end it, or give this one another `--state`",
        ) from None
    except OSError as error:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            f"the folder {folder} cannot be used",
            why=str(error),
            fix="give a folder that this user may write to by `--state`",
        ) from error
    return lock


def keep_table(folder: Path, table: Table) -> None:
    """Replace the table on disk at once; a full disk is reported and keeps the old one."""
    partial = folder / (TABLE + ".part")
    try:
        partial.write_text(pack(table))
        partial.chmod(0o600)
        partial.replace(folder / TABLE)
    except OSError as error:
        complain(f"table {table.revision} was not kept: {error}")


def kept_table(folder: Path) -> Table | None:
    """The table that was kept last; `None` when there is none that can be read."""
    try:
        return unpack(Table, (folder / TABLE).read_text())
    except FileNotFoundError:
        return None
    except (OSError, Malformed, NewerSchema) as error:
        complain(f"the kept table cannot be used: {error}")
        return None
