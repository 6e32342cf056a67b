"""Runs one function of the user's file per item: a fresh process, limits, a deadline.

A guard against mistakes (a loop without end, a write, memory without bound), not a jail for
hostile code: the process can still read what this user can read.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from paceline.errors import CandidateError, Code, SpecError
from paceline.records.quality import Item, Reply
from paceline.scratch import scratch_folder

WORKER: Final = Path(__file__).with_name("worker.py")
SHOWN_CHARS: Final = 300


class PythonScorer:
    """Scores with the functions of one file; raises SpecError when there is no such file."""

    def __init__(self, path: Path, *, timeout_s: float = 10.0, memory_mib: int = 1024) -> None:
        if not path.is_file():
            raise SpecError(
                Code.BAD_INPUT_FILE,
                f"no scorer file {str(path)!r}",
                why="items of the suite are marked by `python`, and `scorer_path` names no file",
                fix="put `scorer_path`, relative to the suite, into the suite's first line",
            )
        self._path = path.resolve()
        self._timeout_s = timeout_s
        self._memory_mib = memory_mib

    def score(self, item: Item, reply: Reply) -> float:
        """See `ProgramScorer.score`. Takes about 50 ms to start."""
        task = {
            "path": str(self._path),
            "function": item.answer,
            "memory_mib": self._memory_mib,
            "cpu_s": self._timeout_s,
            "reply": reply.text,
            "item": {
                "id": item.item_id,
                "category": item.category,
                "messages": [{"role": one.role, "content": one.content} for one in item.messages],
                "also": list(item.also),
                "earlier": list(reply.earlier),
            },
        }
        return _read_score(item, self._run(item, json.dumps(task)))

    def _run(self, item: Item, task: str) -> subprocess.CompletedProcess[str]:
        with scratch_folder("scorer") as folder:
            try:
                return subprocess.run(  # noqa: S603 - our interpreter and our worker
                    [sys.executable, "-I", "-B", str(WORKER)],
                    input=task,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=self._timeout_s,
                    cwd=folder.path,
                    env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise _failed(item, f"no score after {self._timeout_s:g} s") from error


def _read_score(item: Item, done: subprocess.CompletedProcess[str]) -> float:
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["nothing said"]
        raise _failed(item, f"exit code {done.returncode}: {last[0][:SHOWN_CHARS]}")
    try:
        score = float(json.loads(done.stdout)["score"])
    except (ValueError, TypeError, KeyError) as error:
        raise _failed(item, f"it returned {done.stdout[:SHOWN_CHARS]!r}, no number") from error
    if not 0.0 <= score <= 1.0:
        raise _failed(item, f"it returned {score}, not 0 to 1")
    return score


def _failed(item: Item, why: str) -> CandidateError:
    return CandidateError(
        Code.SCORER_FAILED,
        f"the scorer {item.answer!r} gave no score for item {item.item_id!r}",
        why=why,
        fix="run the function by hand on the answer that is kept with the item",
    )
