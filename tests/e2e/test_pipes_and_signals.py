"""What the command does when nobody reads it."""

import os
import subprocess
import sys

import pytest
from tests.e2e.conftest import Paceline

pytestmark = [pytest.mark.e2e]


@pytest.mark.parametrize("command", [("runs", "list"), ("--help",)])
def test_a_closed_pipe_ends_a_command_as_it_ends_other_tools(
    paceline: Paceline, command: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "paceline", *command],
            env=paceline.env,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
