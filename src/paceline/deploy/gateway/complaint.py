"""A line for the operator on stderr, which is a file that may be on the full disk it is about."""

import sys
from contextlib import suppress


def complain(text: str) -> None:
    """Say it if anything takes it; the request that noticed goes on in any case."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201
