"""The command finds the settings in a file."""

import os
import sys
from pathlib import Path

import pytest

from paceline.runtimes import with_settings_file


def test_the_file_is_written_and_its_path_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, argv: became.append(argv))
    monkeypatch.setattr(sys, "argv", ["x", "a: 1", "/bin/serve", "--config", "{settings}"])
    with_settings_file.main()
    program, flag, path = became[0]
    assert (program, flag) == ("/bin/serve", "--config")
    assert Path(path).read_text() == "a: 1"
    Path(path).unlink()
    Path(path).parent.rmdir()
