"""Files that a command is asked to write, looked at before it does its work."""

from pathlib import Path

from paceline.errors import Code, SetupError


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
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            f"{str(path)!r} cannot be written",
            why=f"{error.strerror} (errno {error.errno})",
            fix=f"give {option} a file in a folder that exists and is yours",
        ) from error
