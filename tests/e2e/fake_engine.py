"""The fake engine's server by itself, without a Paceline that starts it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.held_port import held_port

from paceline import runtimes

RUN = Path(runtimes.__file__).parent / "run.py"
WITHIN_S = 120.0


@contextmanager
def fake_engine(*options: str) -> Iterator[str]:
    """It serves the model `m` with these options; the URL, once it listens."""
    with held_port() as port:
        argv = [sys.executable, str(RUN), "fake_server", "--model-name", "m", *options]
        argv += ["--port", str(port)]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
            try:
                deadline_s = time.monotonic() + WITHIN_S
                while not _listens(port):
                    assert process.poll() is None and time.monotonic() < deadline_s, argv
                    time.sleep(0.02)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
