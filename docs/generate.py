"""Rewrites the reference pages that are read off the program; `--check` only compares."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from paceline.cli.main import COMMANDS

HERE = Path(__file__).parent
CLI_PAGE = HERE / "reference/cli.md"
HEAD = """# Command line

Read off the program by `make docs`; do not edit. Results go to stdout (`--json`: one document),
progress to stderr. Exit codes are in [errors.md](errors.md).
"""


def cli_page() -> str:
    """Every command's own help."""
    return "\n".join([HEAD, *(page for name in COMMANDS for page in sections(name))])


def sections(*command: str) -> Iterator[str]:
    """A command's help, then that of each command under it, however deep."""
    text = help_of(*command)
    yield section(1 + len(command), " ".join(command), text)
    for name in subcommands(text):
        yield from sections(*command, name)


def section(level: int, title: str, text: str) -> str:
    return f"{'#' * level} `paceline {title}`\n\n```text\n{text}\n```\n"


def subcommands(text: str) -> list[str]:
    """The names under `Commands:` of a help page."""
    _, found, listed = text.partition("\nCommands:\n")
    return re.findall(r"^  (\S+)", listed, re.MULTILINE) if found else []


def help_of(*command: str) -> str:
    """What `paceline COMMAND --help` prints at 88 columns without colour."""
    plain = {**os.environ, "COLUMNS": "88", "TERMINAL_WIDTH": "88", "NO_COLOR": "1", "TERM": "dumb"}
    argv = [sys.executable, "-m", "paceline", *command, "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=plain)  # noqa: S603
    text = done.stdout.replace("python -m paceline", "paceline")
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def main() -> int:
    page = cli_page()
    if "--check" not in sys.argv[1:]:
        CLI_PAGE.write_text(page)
        return 0
    if CLI_PAGE.exists() and CLI_PAGE.read_text() == page:
        return 0
    sys.stderr.write(f"{CLI_PAGE.relative_to(HERE.parent)} is stale: run `make docs`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
