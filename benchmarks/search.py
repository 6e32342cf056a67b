"""The search over variants, judged on complete sweeps.

    python benchmarks/search.py record FOLDER [SWEEPS.jsonl] [--model NAME] [--seconds N]
        measures whole sweeps of the reference model and two made ones with the installed of
        transformers, openvino, llamacpp and vllm, one request at a time: first rung and whole
        window of some 80 variants each, those near the best three times, an hour a model on two
        quiet cores, most of it vLLM's starts; goes on where it was stopped, so it can be ended at
        any time, or after --seconds. --model measures one of the three alone: launches of another
        hour are not added to a sweep that is complete.
        Only quiet cores: beside other work launches of one variant differed by half, which no
        search can see through. Make the models first:
        paceline models synth medium FOLDER/medium; paceline models synth tiny FOLDER/tiny
    python benchmarks/search.py replay [TABLES] [--sweeps SWEEPS.jsonl]
        searches over recorded sweeps, pure arithmetic, a minute or two. TABLES is the folder of the
        shared ranking sets and of the measurements that the predictor learns from: of each row it
        is told what the predictor says with the row's whole group left out.

Settings were chosen on the models whose name hashes to an even number; `chosen on` and `judged on`
are told apart in the output, which is Markdown, ready for docs/log.md. `level` counts winners, too,
that a launch of each does not tell from the best at 95 %: whose record is less than 1.96 √2 sd of a
launch behind. `a second sweep` is what measuring everything once more is worth:
how often its best would be within 2 % of the first one's. `time` is the share of measuring every
variant once, whole, with its launch; `floor` what the baseline and the best alone take, which on
few variants is most of it: so the sizes are told apart as well, and the last line of a table has
the sweeps alone whose floor leaves room for the aim.
"""

import argparse
import hashlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from paceline.plan.search import RULES
from search_record import MODELS, record, recorded
from search_replay import NEAR, Outcome, Sweep, search
from search_tables import by_set, joined, left_out, read_rows, whole

TABLES: Final = Path(__file__).parent.parent.parent / "shared/reference/perf"
SETS: Final = ("ranking_config_calibration.csv", "ranking_gpu_calibration.csv")
MEASURED: Final = "measured_calibration.csv"
RECORDED: Final = Path(__file__).parent / "data" / "sweeps.jsonl"
SEEDS: Final = 5
LARGE: Final = 8
"""Variants from which on a joined sweep leaves a search something to spare."""
WHOLE: Final = 14
"""The same where a sweep is everything that was measured: the floor is below the aim."""
SIZES: Final = ((3, 4), (5, 7), (8, 13), (14, 39), (40, 999))
COLUMNS: Final = (
    "sweeps", "side", "searches", "variants", "found within 2 %", "or level with it",
    "or tied with it", "a second sweep", "time", "floor", "best excluded", "audits, wrong",
    "launches", "worst loss",
)  # fmt: skip
AIM: Final = 0.15
"""Share of the exhaustive time that a search should take."""


def main() -> None:
    parser = argparse.ArgumentParser(description="The search, judged on complete sweeps.")
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("folder", type=Path)
    recording.add_argument("out", type=Path, nargs="?", default=RECORDED)
    recording.add_argument("--model", choices=MODELS, help="this one alone")
    recording.add_argument("--seconds", type=float, default=math.inf)
    replaying = commands.add_parser("replay")
    replaying.add_argument("tables", type=Path, nargs="?", default=TABLES)
    replaying.add_argument("--sweeps", type=Path, default=RECORDED)
    asked = parser.parse_args()
    if asked.command == "record":
        models = (asked.model,) if asked.model else MODELS
        record(asked.folder, asked.out, models=models, seconds=asked.seconds)
    else:
        replay(asked.tables, asked.sweeps)


def replay(tables: Path, sweeps: Path) -> None:
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    if all((tables / name).exists() for name in (*SETS, MEASURED)):
        outlooks = left_out(tables / MEASURED)
        rows = [row for name in SETS for row in read_rows(tables / name)]
        for name, found in (
            ("ranking sets", by_set(rows, outlooks)),
            (f"joined, {LARGE} or more", joined(rows, outlooks, least=LARGE)),
            (f"whole, {WHOLE} or more", whole(read_rows(tables / MEASURED), outlooks, least=WHOLE)),
        ):
            for side, text in enumerate(("chosen on", "judged on")):
                report(name, text, [s for s in found if _side(s) == side])
            for least, most in SIZES:
                sized = [s for s in found if least <= len(s.rates) <= most]
                report(f"{name}: {least} to {most} variants", "both", sized)
            roomy = [s for s in found if _least_share(s) <= AIM]
            report(f"{name}: floor <= {AIM:.0%}", "both", roomy)
    else:
        print(f"skipped: no ranking sets in {tables}", file=sys.stderr)
    if not sweeps.exists():
        print(f"skipped: no sweeps were recorded in {sweeps}", file=sys.stderr)
        return
    for sweep in recorded(sweeps):
        noise = sweep.run_sd(sweep.best)
        name = f"measured here: {sweep.name}, launches of the best differ by {noise:.1%}"
        report(name, "judged on", [sweep], seeds=100)


def report(name: str, side: str, sweeps: Sequence[Sweep], *, seeds: int = SEEDS) -> None:
    """A row of the table. `floor` is what measuring the baseline and the best alone would take."""
    found = [search(s, seed=seed, rules=RULES) for s in sweeps for seed in range(seeds)]
    if not found:
        return
    print(
        f"| {name} | {side} | {len(found)} | {_mean(len(o.sweep.rates) for o in found):.1f} |"
        f" {_mean(o.loss <= NEAR for o in found):.1%} |"
        f" {_mean(o.level for o in found):.1%} |"
        f" {_mean(o.tied_loss <= NEAR for o in found):.1%} |"
        f" {_mean(o.second_loss <= NEAR for o in found):.1%} |"
        f" {_share(found):.1%} | {_floor(found):.1%} |"
        f" {sum(o.excluded_best for o in found)} |"
        f" {sum(o.audits for o in found)}, {sum(o.audits_wrong for o in found)} |"
        f" {_mean(o.launches for o in found):.1f} | {max(o.loss for o in found):.1%} |",
        flush=True,
    )


def _share(found: Sequence[Outcome]) -> float:
    return sum(o.seconds for o in found) / sum(o.whole_seconds for o in found)


def _floor(found: Sequence[Outcome]) -> float:
    return sum(o.floor_seconds for o in found) / sum(o.whole_seconds for o in found)


def _least_share(sweep: Sweep) -> float:
    whole_s = {variant: cost.start_s + cost.window_s for variant, cost in sweep.costs.items()}
    return sum(whole_s[v] for v in {sweep.best, sweep.baseline}) / sum(whole_s.values())


def _mean(values) -> float:  # type: ignore[no-untyped-def]
    listed = [float(value) for value in values]
    return sum(listed) / len(listed)


def _side(sweep: Sweep) -> int:
    return int(hashlib.sha256(sweep.family.encode()).hexdigest(), 16) % 2


if __name__ == "__main__":
    main()
