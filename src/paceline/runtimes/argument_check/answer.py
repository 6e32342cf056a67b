"""Reads command lines, has them judged, writes what was said against each."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

Judge = Callable[[Sequence[str]], None]
"""Takes one command line; raises, or prints and exits, when the engine would refuse it."""

_LONGEST: Final = 600


def answer(judge: Judge) -> None:
    """Judge what standard input holds; the answers go to the file named by the first argument."""
    launches: list[list[str]] = json.load(sys.stdin)
    Path(sys.argv[1]).write_text(json.dumps([_said(judge, argv) for argv in launches]))


def _said(judge: Judge, argv: Sequence[str]) -> str | None:
    heard = io.StringIO()
    try:
        with contextlib.redirect_stderr(heard):
            judge(argv)
    except SystemExit as exit_:
        return None if exit_.code in (None, 0) else _last_line(heard.getvalue()) or str(exit_)
    except OSError as error:  # a busy port says nothing of the command line
        return None if error.errno == errno.EADDRINUSE else _shortened(str(error))
    # Whatever an engine raises here, of whichever library, it would also end the server's start.
    except Exception as error:  # noqa: BLE001
        return _shortened(str(error)) or type(error).__name__
    return None


def _last_line(text: str) -> str:
    """argparse prints its usage first and what is wrong last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _shortened(lines[-1]) if lines else ""


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST]} …"
