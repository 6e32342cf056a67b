"""The real command as a subprocess, with folders of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """stdout as the one JSON document it must be."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Paceline:
    """Runs `python -m paceline` on private data and cache folders."""

    def __init__(self, folder: Path, *, shared_cache: bool, timeout_s: float = 600.0) -> None:
        self._timeout_s = timeout_s
        self.data = folder / "data"
        self.env = {**os.environ, "PACELINE_DATA": str(self.data), "COLUMNS": "160"}
        if not shared_cache:
            self.env["PACELINE_CACHE"] = str(folder / "cache")

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        # Started in the background by a shell we ignore Ctrl-C, and the command would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [sys.executable, "-m", "paceline", *arguments],
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **env: str) -> Done:
        process = self.start(*arguments, **env)
        try:
            out, err = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Done(process.returncode, out, err)


@pytest.fixture
def paceline(tmp_path: Path) -> Paceline:
    """With an empty cache: only the fake engine can run."""
    return Paceline(tmp_path, shared_cache=False)


@pytest.fixture(autouse=True)
def nothing_is_left_running(tmp_path: Path) -> Iterator[None]:
    """Whatever a test started, engines included, is gone when it ends."""
    yield
    left = [process for process in psutil.process_iter() if _belongs(process, str(tmp_path))]
    _, alive = psutil.wait_procs(left, timeout=60)
    assert not alive, [process.cmdline() for process in alive]


def _belongs(process: psutil.Process, folder: str) -> bool:
    """Every process of a test inherits its data folder."""
    try:
        return folder in process.environ().get("PACELINE_DATA", "")
    except psutil.Error:  # ended meanwhile, or not ours to look into
        return False
