"""Runs the README's command on this machine and puts its output into the README.

Run it on a quiet machine with the engines installed (`make engines`); it takes about five minutes.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from paceline import __version__

README = Path(__file__).parent.parent / "README.md"
WORDS = "optimize for throughput, ttft p95 <= 500ms, quality >= 0.97x"
MARKS = re.compile(r"(<!-- output:[^\n]*-->\n).*?(<!-- /output -->)", re.DOTALL)


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        plain = {**os.environ, "PACELINE_DATA": data, "COLUMNS": "118", "NO_COLOR": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "paceline", "optimize", "reference", WORDS, "--budget", "5m"],
            env=plain,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    lines = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith("receipt:")]
    text = "\n".join(["```text", f'$ paceline optimize reference "{WORDS}"', *lines, "```"])
    caption = f"*{machine()}, {datetime.now(UTC):%Y-%m-%d}, Paceline {__version__}.*"
    page = README.read_text()
    README.write_text(MARKS.sub(lambda m: f"{m[1]}{text}\n\n{caption}\n{m[2]}", page))


def machine() -> str:
    """Processor, cores and memory, as a reader needs them to place the figures."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cpu = model[1] if model else platform.machine()
    return f"{len(os.sched_getaffinity(0))} cores of {cpu}, {memory:.0f} GiB"


if __name__ == "__main__":
    main()
