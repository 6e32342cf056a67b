"""Streams through a full rolling redeploy under load: how many break, and p99 TTFT in the roll.

    python benchmarks/serving.py roll [--streams 200] [--replicas 2] [--rounds 3]

The whole of `paceline serve` with the engine that is real except for the model: its first token
comes after 200 ms and a token every 100 ms, so that engine, gateway and client share two cores. The
load client's own delays are in the figures. About a minute per round; prints Markdown.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # for the `paceline serve` that the tests use

from tests.e2e.conftest import Done, Paceline  # noqa: E402
from tests.e2e.roll import Rolled, roll  # noqa: E402
from tests.e2e.serving import plant_version, serving  # noqa: E402

from paceline.testing.builders import a_variant  # noqa: E402

FIRST_TOKEN_MS, TOKEN_MS, TOKENS = 200, 100, 60
BEFORE_S: Final = 15.0
MOST_RATIO: Final = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("roll")
    command.add_argument("--streams", type=int, default=200)
    command.add_argument("--replicas", type=int, default=2)
    command.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rolled = measured(given.streams, given.replicas, given.rounds)
    print(f"{given.streams} open streams, {given.replicas} replicas, {os.cpu_count()} cores\n")
    print("| roll | took | streams | broken | p99 TTFT before | in the roll | ratio |")
    print("|---|---|---|---|---|---|---|")
    for number, one in enumerate(rolled, 1):
        print(f"| {number} | {cells(one)} |")
    for one in rolled:
        for what in one.broken[:5]:
            print(f"broken: {what}", file=sys.stderr)
    worst = max(one.p99_ratio for one in rolled)
    if any(one.broken for one in rolled) or worst > MOST_RATIO:
        sys.exit(
            f"streams broke, or p99 TTFT rose: to {worst:.2f} x at worst, {MOST_RATIO:g} x is borne"
        )


def measured(streams: int, replicas: int, rounds: int) -> list[Rolled]:
    """Rolls there and back again, under one load after the other."""
    places = streams // replicas + 8
    pace = {"first_token_ms": FIRST_TOKEN_MS, "token_ms": TOKEN_MS, "capacity": places}
    with tempfile.TemporaryDirectory() as folder:
        paceline = Paceline(Path(folder), shared_cache=False)
        model = str(Path(folder) / "tiny")
        must(paceline("models", "synth", "tiny", model))
        for format_ in ("bf16", "int8"):
            plant_version(paceline, model, a_variant(format_=format_), concurrency=places)
        count = ("--min", str(replicas), "--max", str(replicas))
        must(paceline("deploy", "demo@1", *count))
        with serving(paceline, PACELINE_FAKE=json.dumps({"*": pace})) as one:
            one.until(lambda it: it.status()["replicas"]["ready"] == replicas, "ready")
            return [
                roll(
                    paceline,
                    one,
                    to_version=2 - number % 2,
                    streams=streams,
                    tokens=TOKENS,
                    before_s=BEFORE_S,
                    replicas=replicas,
                )
                for number in range(rounds)
            ]


def must(done: Done) -> None:
    if done.code:
        sys.exit(done.err)


def cells(one: Rolled) -> str:
    before_ms, in_roll_ms = (
        float(np.quantile(times_ms, 0.99)) for times_ms in (one.ttft_before_ms, one.ttft_in_roll_ms)
    )
    return (
        f"{one.roll_s:.1f} s | {one.streams} | {len(one.broken)} | {before_ms:.0f} ms | "
        f"{in_roll_ms:.0f} ms | {one.p99_ratio:.2f}"
    )


if __name__ == "__main__":
    main()
