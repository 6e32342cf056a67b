"""Reading the usage spool: whole lines from where the reader was, over as many files as there are.

Files are `usage-<number>.jsonl`, in order of their numbers. A line that the gateway has handed to
the kernel survives the gateway. A file is finished when a later one exists; the reader deletes it
when all of it has been accounted for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from paceline.records.gateway import UsageLine
from paceline.records.serial import Malformed, load

PATTERN = "usage-*.jsonl"
DEFAULT_LINES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Everything before this byte of this file, and all files before it, is accounted for."""

    file: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolRead:
    """`lines` in order, and where to read on. `unreadable` lines were passed over."""

    lines: tuple[UsageLine, ...]
    position: Position
    unreadable: int = 0


def read_spool(folder: Path, position: Position, *, max_lines: int = DEFAULT_LINES) -> SpoolRead:
    """The next lines, at most `max_lines`; call again from `position` while there are any."""
    lines: list[UsageLine] = []
    unreadable = 0
    for path in _files_from(folder, position):
        offset = position.offset if path.name == position.file else 0
        for raw in _whole_lines(path, offset):
            if len(lines) >= max_lines:
                return SpoolRead(lines=tuple(lines), position=position, unreadable=unreadable)
            offset += len(raw)
            position = Position(file=path.name, offset=offset)
            try:
                lines.append(load(UsageLine, orjson.loads(raw)))
            except (orjson.JSONDecodeError, Malformed):
                unreadable += 1
    return SpoolRead(lines=tuple(lines), position=position, unreadable=unreadable)


def delete_read(folder: Path, position: Position) -> None:
    """Delete the files before the one of the position; call it when their lines are stored."""
    for path in sorted(folder.glob(PATTERN)):
        if path.name < position.file:
            path.unlink(missing_ok=True)


def _files_from(folder: Path, position: Position) -> list[Path]:
    return [path for path in sorted(folder.glob(PATTERN)) if path.name >= position.file]


def _whole_lines(path: Path, offset: int) -> Iterator[bytes]:
    """Lines with their ends; the last may be half a line, by a full disk or a kill.

    None of a file that is gone: there are several readers, and one of them deletes.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            yield raw
