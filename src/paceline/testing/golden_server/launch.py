"""Start the golden server as a program of its own, ask it what happened, end it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Golden:
    """A running golden server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def log(self, prefix: str = "request-") -> dict[int, dict[str, Any]]:
        """Its entries of requests with such ids, by the number after the prefix."""
        return {
            int(entry["request_id"].removeprefix(prefix)): entry
            for entry in self.entries()
            if entry["request_id"].startswith(prefix)
        }

    def entries(self) -> list[dict[str, Any]]:
        """All of its entries, in order of arrival; fields as in `log.Entry`."""
        entries: list[dict[str, Any]] = self._page("/log")
        return entries

    def clear(self) -> None:
        """Forget the entries so far."""
        self._page("/clear")

    def _page(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310 - ours
            return json.loads(answer.read())


@contextmanager
def golden_server(*options: str) -> Iterator[Golden]:
    """`python -m paceline.testing.golden_server OPTIONS` on a free port, until the exit."""
    argv = [sys.executable, "-m", "paceline.testing.golden_server", *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:  # noqa: S603 - our module
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            assert said, f"the golden server did not start: {argv}"
            yield Golden(process, int(said[-1]))
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
