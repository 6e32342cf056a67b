"""Where Paceline keeps things: a data folder (runs, receipts) and a cache that may be deleted."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError

OWNER_ONLY: Final = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Both folders exist and can be written."""

    data: Path
    cache: Path
    database_url: str | None = None
    """Of a PostgreSQL database; `None` is a file in the data folder."""

    @property
    def database(self) -> Path | str:
        return self.database_url or self.data / "paceline.db"

    @property
    def samples(self) -> Path:
        return self.data / "samples"

    @property
    def logs(self) -> Path:
        return self.data / "logs"


def find_places() -> Places:
    """From `PACELINE_DATA` and `PACELINE_CACHE`, else the XDG folders of this user.

    `PACELINE_DATABASE` may name a PostgreSQL database to use instead of a file.

    Raises SetupError when a folder cannot be made or written.
    """
    home = Path.home()
    data = os.environ.get("PACELINE_DATA") or _xdg("XDG_DATA_HOME", home / ".local/share")
    cache = os.environ.get("PACELINE_CACHE") or _xdg("XDG_CACHE_HOME", home / ".cache")
    return Places(
        data=_private(_writable(Path(data), "PACELINE_DATA")),
        cache=_writable(Path(cache), "PACELINE_CACHE"),
        database_url=os.environ.get("PACELINE_DATABASE") or None,
    )


def _xdg(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default) / "paceline"


def _private(folder: Path) -> Path:
    """Only its owner looks inside: logs of engines and the account are nobody else's.

    A folder of somebody else is theirs to decide on, and so is one that many write to (sticky, as
    /tmp is).
    """
    found = folder.stat()
    if found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:
        with suppress(OSError):  # a file system without modes
            folder.chmod(found.st_mode & OWNER_ONLY)
    return folder


def _writable(folder: Path, variable: str) -> Path:
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            f"cannot write to {str(folder)!r}",
            why=f"{error.strerror} (errno {error.errno})",
            fix=f"set {variable} to a folder you own",
        ) from error
    return folder
