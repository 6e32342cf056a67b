"""Starts a server that wants a settings file: `python run.py with_settings_file TEXT COMMAND…`.

A launch is complete in its command line, so the file's text travels there. It is written to a
folder of its own, and `{settings}` in the command becomes its path.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Write the file and become the command."""
    text, *command = sys.argv[1:]
    path = Path(tempfile.mkdtemp(prefix="paceline-settings-")) / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    argv = [str(path) if part == "{settings}" else part for part in command]
    os.execv(argv[0], argv)  # noqa: S606 - the command is a launch of ours


if __name__ == "__main__":
    main()
