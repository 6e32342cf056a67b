"""What the quality part of a run costs, and what stopping early saves, from a run's own receipt.

    python benchmarks/quality.py [--receipt FILE] [--constraint "quality >= 0.95x"] [--log]

Without `--receipt` it makes one: the reference model on OpenVINO in its three precisions, under the
workload that comes with it. Every trial's `quality_s ÷ wall_s` is printed, with the items that were
asked of those there are. The aim is a quarter of a trial's time at most, and half of the requests
saved where the verdict is clear. `--log` appends the table to docs/log.md. A quiet machine, please.
"""

import argparse
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOG = ROOT / "docs/log.md"
SHARE_AIM = 0.25
SAVED_AIM = 0.5


def main() -> int:
    """Print the table; 1 when a trial spends more than its share on quality."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receipt", type=Path)
    parser.add_argument("--constraint", default="quality >= 0.95x")
    parser.add_argument("--log", action="store_true")
    arguments = parser.parse_args()
    path = arguments.receipt or receipt_of(arguments.constraint)
    receipt = json.loads(path.read_text(encoding="utf-8"))
    trials = [trial for trial in receipt["trials"] if trial["quality_s"] is not None]
    table = "\n".join(lines(trials))
    sys.stdout.write(f"{table}\n")
    if arguments.log:
        with LOG.open("a", encoding="utf-8") as log:
            log.write(
                f"\n## {datetime.now(UTC):%Y-%m-%d} · Quality within a run\n{told()}\n{table}\n"
            )
    return int(any(trial["quality_s"] > SHARE_AIM * trial["wall_s"] for trial in trials))


def receipt_of(constraint: str) -> Path:
    """A fresh run's receipt; about a minute."""
    command = [
        *(sys.executable, "-m", "paceline", "optimize", "reference", "optimize for throughput"),
        *("--engine", "openvino", "--constraint", constraint, "--budget", "3m", "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(done.stderr)
    return Path(json.loads(done.stdout)["receipt"])


def lines(trials: list[dict[str, Any]]) -> list[str]:
    """A markdown table, one trial per row; the first one with answers is the baseline."""
    whole = max(len(trial["quality"]["items"]) for trial in trials)
    rows = [
        "| trial | asked | saved | quality s | trial s | share | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for trial in trials:
        asked = len(trial["quality"]["items"])
        paired = trial["quality"]["paired"]
        rows.append(
            f"| {trial['variant']['engine']} {trial['variant']['format']} | {asked} of {whole} "
            f"| {1 - asked / whole:.0%} | {trial['quality_s']:.1f} | {trial['wall_s']:.1f} "
            f"| {trial['quality_s'] / trial['wall_s']:.0%} "
            f"| {'baseline' if paired is None else paired['verdict']} |"
        )
    return [*rows, "", f"Aims: share at most {SHARE_AIM:.0%}, saved at least {SAVED_AIM:.0%}."]


def told() -> str:
    """Where this was measured."""
    machine, version = platform.machine(), platform.python_version()
    return f"`python benchmarks/quality.py`; {machine}, Python {version}.\n"


if __name__ == "__main__":
    sys.exit(main())
