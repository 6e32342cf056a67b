"""What the quality part of a run costs, and what stopping early saves, from a run's own receipt.

    python benchmarks/quality.py [--receipt FILE] [--constraint "quality >= 0.95x"]
                                 [--engine NAME]... [--budget 3m] [--log]

Without `--receipt` it makes one: the reference model on OpenVINO in its three precisions, or on the
engines that are named, under the workload that comes with it. Every trial's share of its time is
printed with what was asked in it, and the divergence from the reference. The aim is a quarter of a
trial's time at most, the baseline's too, and half of the requests saved where the verdict is clear.
Exits 1 when a trial spent more. `--log` appends the table to docs/log.md. A quiet machine, please.
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
    parser.add_argument("--engine", action="append")
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--log", action="store_true")
    arguments = parser.parse_args()
    path = arguments.receipt or receipt_of(
        arguments.constraint, arguments.engine or ["openvino"], arguments.budget
    )
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


def receipt_of(constraint: str, engines: list[str], budget: str) -> Path:
    """A fresh run's receipt; as long as the budget."""
    command = [
        *(sys.executable, "-m", "paceline", "optimize", "reference", "optimize for throughput"),
        *(part for engine in engines for part in ("--engine", engine)),
        *("--constraint", constraint, "--budget", budget, "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(done.stderr)
    return Path(json.loads(done.stdout)["receipt"])


def lines(trials: list[dict[str, Any]]) -> list[str]:
    """A markdown table, one trial per row; the first one with answers is the baseline."""
    whole = max((len(trial["quality"]["items"]) for trial in trials if trial["quality"]), default=1)
    return [
        "| trial | asked | saved | quality s | allowed s | trial s | share | KL nats | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
        *(line(trial, whole) for trial in trials),
        "",
        f"Aims: share at most {SHARE_AIM:.0%}, saved at least {SAVED_AIM:.0%} where it is clear.",
    ]


def line(trial: dict[str, Any], whole: int) -> str:
    """One trial; one that was broken may have been asked nothing."""
    quality, variant = trial["quality"], trial["variant"]
    knobs = ", ".join(f"{name}={value}" for name, value in variant["knobs"])
    asked = len(quality["items"]) if quality else 0
    judged = quality["paired"]["verdict"] if quality and quality["paired"] else None
    verdict = judged or ("baseline" if quality else trial["cause"])
    allowed_s, fidelity = trial["quality_allowed_s"], trial["fidelity"]
    figures = (
        f"{variant['engine']} {variant['format']} {knobs}".strip(),
        f"{asked} of {whole}",
        f"{1 - asked / whole:.0%}",
        f"{trial['quality_s']:.1f}",
        "-" if allowed_s is None else f"{allowed_s:.1f}",
        f"{trial['wall_s']:.1f}",
        f"{trial['quality_s'] / trial['wall_s']:.0%}",
        "-" if fidelity is None else f"{fidelity['mean_kl_nats']:.4f}",
        verdict,
    )
    return f"| {' | '.join(figures)} |"


def told() -> str:
    """Where this was measured."""
    machine, version = platform.machine(), platform.python_version()
    return f"`python benchmarks/quality.py`; {machine}, Python {version}.\n"


if __name__ == "__main__":
    sys.exit(main())
