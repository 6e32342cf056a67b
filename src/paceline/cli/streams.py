"""stdout and stderr of the command, for readers that go away (`paceline runs show RUN | head`)."""

import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READER_GONE: Final = 128 + signal.SIGPIPE
"""141, as a shell reports the tools that SIGPIPE ends: under `pipefail` a reader that stopped early
is told from one that saw everything. The signal itself stays ignored, it would end us on any socket
that an engine closes."""


TERMINATED: Final = 128 + signal.SIGTERM
"""143, of a command that SIGTERM ended, and of a run that `runs cancel` did."""


def end_with_the_reader() -> None:
    """From now on the first write that nobody can read ends the command, in silence."""
    sys.stdout = watched(sys.stdout)
    sys.stderr = watched(sys.stderr)


def watched(stream: TextIO | None) -> TextIO:
    """The same file and encoding; raises SystemExit on a broken pipe.

    `None` is what Python makes of a file that the caller closed; then nobody reads anything.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream or Path(os.devnull).open("w", encoding="utf-8")
    raw = _Watched(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        # A locale that has no dash must not end a command, unless its user wants that.
        errors="replace" if stream.errors == "strict" else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Watched(io.FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            # What is still buffered goes nowhere, or Python complains about it once more at exit.
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise SystemExit(READER_GONE) from None
            raise
