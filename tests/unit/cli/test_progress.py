"""The line that changes stays one line: what wraps cannot be erased."""

import io
import sys

import pytest

from paceline.cli import progress
from paceline.cli.progress import LineWatch
from paceline.clock import ManualClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_phase_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    LineWatch(ManualClock()).phase("preparing " + "a long name " * 9)
    shown = terminal.getvalue().removeprefix(progress.ERASE_LINE)
    assert len(shown) == 39
    assert shown.startswith("[ 0:00]    : preparing a long name")
    assert shown.endswith(" …")


def test_a_short_phase_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    LineWatch(ManualClock()).phase("loading")
    assert terminal.getvalue() == f"{progress.ERASE_LINE}[ 0:00]    : loading …"
