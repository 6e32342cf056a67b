"""Raw samples on their way to disk: constant memory however long the test is.

Finished requests go into two buffers, rows of fixed size and chunk times, which are appended to
files as they fill. Another process or a later moment reads them back by the column.
"""

import errno
import json
import math
import struct
from array import array
from io import FileIO
from pathlib import Path
from typing import Final

from paceline.adapters.load.openai_http.answer import Answer
from paceline.adapters.load.openai_http.pace import Turn
from paceline.errors import Code, SetupError, reason_of
from paceline.records.samples import Outcome, TokenSource

ROW: Final = struct.Struct("<qqqqqqqqddddd")
ROW_FIELDS: Final = (
    ("index", "<i8"),
    ("stage", "<i8"),
    ("session", "<i8"),
    ("turn", "<i8"),
    ("outcome", "<i8"),
    ("status", "<i8"),
    ("token_source", "<i8"),
    ("chunks", "<i8"),
    ("scheduled_s", "<f8"),
    ("sent_s", "<f8"),
    ("end_s", "<f8"),
    ("input_tokens", "<f8"),
    ("output_tokens", "<f8"),
)
FLUSH_BYTES: Final = 64 * 1024
"""Small enough that one write into the page cache takes some tens of microseconds."""
DETAILS_KEPT: Final = 1000
LONGEST_US: Final = 2**32 - 1

_OUTCOMES: Final = {outcome: number for number, outcome in enumerate(Outcome)}
_SOURCES: Final = {source: number for number, source in enumerate(TokenSource)}


class Recorder:
    """Writes `rows.bin`, `chunks.bin` and `details.json` into a folder.

    Its methods raise SetupError where they cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows_file = (folder / "rows.bin").open("wb", buffering=0)
        self._chunks_file = (folder / "chunks.bin").open("wb", buffering=0)
        self._details_path = folder / "details.json"
        self._rows, self._chunks = bytearray(), bytearray()
        self._details: dict[int, str] = {}

    def add(
        self,
        turn: Turn,
        answer: Answer | None,
        outcome: Outcome,
        *,
        sent_s: float | None,
        end_s: float,
        output_tokens: int | None,
        token_source: TokenSource,
        detail: str | None = None,
    ) -> None:
        """One request that ended, well or not; times as in `RequestSample`."""
        stamps = answer.stamps if answer else []
        if stamps and sent_s is not None:
            offsets = [min(max(int((at - sent_s) * 1e6 + 0.5), 0), LONGEST_US) for at in stamps]
            self._chunks += array("I", offsets).tobytes()
        self._rows += ROW.pack(
            turn.serial,
            turn.stage,
            turn.occurrence,
            turn.row.turn,
            _OUTCOMES[outcome],
            (answer.status if answer else None) or 0,
            _SOURCES[token_source],
            len(stamps),
            turn.scheduled_s,
            _or_nan(sent_s),
            end_s,
            _or_nan(answer.input_tokens if answer else None),
            _or_nan(output_tokens),
        )
        text = detail or (answer.detail if answer else None)
        if text and len(self._details) < DETAILS_KEPT:
            self._details[turn.serial] = text
        if len(self._rows) > FLUSH_BYTES or len(self._chunks) > FLUSH_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        try:
            self._flush()
        finally:
            self._rows_file.close()
            self._chunks_file.close()
        write_text(self._details_path, json.dumps(self._details))

    def _flush(self) -> None:
        try:
            _append(self._rows_file, self._rows)
            _append(self._chunks_file, self._chunks)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self._rows.clear()
        self._chunks.clear()


def write_text(path: Path, text: str) -> None:
    """Raises SetupError where it cannot be written."""
    try:
        path.write_text(text)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _append(file: FileIO, data: bytearray) -> None:
    """All of it: a raw file takes what there is room for, and says only the next time why."""
    written = file.write(data)
    while written < len(data):
        written += file.write(data[written:])


def _unwritable(folder: Path, error: OSError) -> SetupError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SetupError(
        Code.DISK_FULL if full else Code.CACHE_UNWRITABLE,
        f"the samples of a load cannot be written to {str(folder)!r}",
        why=reason_of(error),
        fix="free some space there, or set TMPDIR to a folder on another disk",
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
