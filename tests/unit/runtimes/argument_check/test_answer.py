"""What parsers say is heard, whichever way they say it."""

import argparse
import errno
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from paceline.runtimes.argument_check.answer import answer


def judge(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="toy", usage="toy [options]")
    parser.add_argument("--size", type=int)
    size = parser.parse_args(list(argv)).size
    if size in (98, 2000):
        raise OSError(errno.EADDRINUSE if size == 98 else errno.ENOENT, "of the system")
    if size == 3:
        raise ValueError("4 heads are\n  not divisible by 3 " + "x" * 700)


def test_each_command_line_gets_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [["--size", size] for size in ("2", "3", "98", "2000")]
    asked = [*sizes, ["--nope"], ["--help"]]
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
    monkeypatch.setattr(sys, "argv", ["check", str(tmp_path / "answers.json")])
    answer(judge)
    fine, divided, busy, missing, unknown, helped = json.loads(
        (tmp_path / "answers.json").read_text()
    )
    assert fine is busy is helped is None
    assert "of the system" in missing
    assert divided.startswith("4 heads are not divisible by 3")
    assert divided.endswith("…")
    assert unknown == "toy: error: unrecognized arguments: --nope"
