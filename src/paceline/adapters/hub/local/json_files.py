"""Reading the JSON files of a model folder; every way they can be broken gets its own words."""

import json
from collections.abc import Mapping
from pathlib import Path

from paceline.errors import Code, SpecError

JsonObject = Mapping[str, object]


def read_object(path: Path) -> JsonObject:
    """The JSON object in `path`.

    Raises SpecError: unreadable, not UTF-8, not JSON (line and column named), not an object.
    """
    return parse_object(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The content of a small file of the model. Raises SpecError when it cannot be read."""
    check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def check_file(path: Path) -> None:
    """Raises SpecError for a pipe, a socket or a device: to open one may wait for ever."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise SpecError(
            Code.BAD_MODEL,
            f"{path.name!r} of the model in {str(path.parent)!r} is no file",
            why="it is a pipe, a socket or a device",
            fix=f"put the file there: ls -l {str(path)!r}",
        )


def unreadable(path: Path, error: OSError) -> SpecError:
    """The error for a file that exists but does not open."""
    return SpecError(
        Code.BAD_MODEL,
        f"cannot read {path.name!r} of the model in {str(path.parent)!r}",
        why=f"{error.strerror} (errno {error.errno})",
        fix=f"make it readable: ls -l {str(path)!r}",
    )


def parse_object(text: bytes, path: Path) -> JsonObject:
    """`text`, which was read from `path`, as a JSON object. Raises like `read_object`."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(path, f"{error.msg}, line {error.lineno} column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise _broken(path, f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _broken(path, "nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise _broken(path, str(error)) from error
    if not isinstance(value, dict):
        raise _broken(path, f"expected an object {{…}}, found {type(value).__name__}")
    return value


def _broken(path: Path, why: str) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"{path.name!r} of the model in {str(path.parent)!r} is broken",
        why=why,
        fix=f"mend {str(path)!r}, or fetch the file again",
    )
