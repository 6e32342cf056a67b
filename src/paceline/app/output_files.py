"""Files that a command is asked to write, looked at before it does its work."""

import errno
from pathlib import Path

from paceline.errors import Code, SetupError, reason_of


def require_writable(path: Path | None, option: str) -> None:
    """Raise SetupError when a file could not be written after work that costs minutes."""
    if path is None:
        return
    try:
        existed = path.exists()
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise _unwritable(path, error, option) from error


def write_output(path: Path, content: bytes, option: str) -> None:
    """Write what was measured; half a file is removed. Raises SetupError."""
    try:
        path.write_bytes(content)
    except OSError as error:
        if path.is_file():
            path.unlink()
        raise _unwritable(path, error, option) from error


def _unwritable(path: Path, error: OSError, option: str) -> SetupError:
    why = reason_of(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = f"free some space, or give {option} a file on another disk"
        return SetupError(Code.DISK_FULL, f"no room to write {str(path)!r}", why=why, fix=fix)
    fix = f"give {option} a file in a folder that exists and is yours"
    return SetupError(Code.CACHE_UNWRITABLE, f"{str(path)!r} cannot be written", why=why, fix=fix)
