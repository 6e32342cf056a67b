"""An evaluation on the terminal: progress on stderr, the result on stdout."""

import sys
from typing import Final

import typer

from paceline.app.evaluate import Evaluation
from paceline.app.evaluation_report import fidelity_sentence
from paceline.cli.output import print_table
from paceline.ports.quality import OnProgress
from paceline.records.measurement import Interval
from paceline.records.quality import QualityProgress

LINE_EVERY: Final = 50
ERASE_LINE: Final = "\r\x1b[K"


def show_progress(part: str) -> OnProgress:
    """A line on stderr that changes on a terminal, and one in fifty items elsewhere."""
    terminal = sys.stderr.isatty()

    def show(progress: QualityProgress) -> None:
        done = progress.answered == progress.total
        text = (
            f"{part}: {progress.answered}/{progress.total} items, {progress.score:.3f} so far"
            + (f", {progress.errors} failed" if progress.errors else "")
        )
        if terminal:
            sys.stderr.write(f"{ERASE_LINE}{text}" + ("\n" if done else ""))
        elif done or progress.answered % LINE_EVERY == 0:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    return show


def print_evaluation(found: Evaluation) -> None:
    """A table of the categories, then a sentence for each thing that was found."""
    result, base = found.result, found.baseline
    rows = [
        (
            category,
            f"{share:.2f}",
            f"{result.by_category[category]:.3f}",
            f"{base.by_category[category]:.3f}" if base and category in base.by_category else "–",
        )
        for category, share in result.weights.items()
    ]
    overall = ("composite", "1.00", f"{result.score:.3f}", f"{base.score:.3f}" if base else "–")
    title = f"{found.suite.name} {found.suite.version} ({len(result.items)} items)"
    print_table(title, ("category", "weight", "score", "baseline"), [*rows, overall])
    for line in _sentences(found):
        typer.echo(line)


def _sentences(found: Evaluation) -> list[str]:
    result, verdict, flips = found.result, found.verdict, found.comparison
    lines = [f"95 % interval {_interval(result.ci95)}"] if result.ci95 else []
    if result.errors:
        lines.append(f"{result.errors} items got no answer and count as wrong")
    if result.stopped:
        lines.append(f"stopped early, {result.stopped.cause}: {result.stopped.because}")
    if verdict:
        lines.append(
            f"{verdict.verdict.value}: difference {verdict.difference:+.3f} "
            f"{_interval(verdict.difference_ci95)} on {verdict.items} items, "
            f"margin {verdict.margin:g}"
        )
    if flips:
        lines.append(
            f"lost {len(flips.lost)}, gained {len(flips.gained)} items; "
            f"McNemar p = {flips.p_value:.2g}"
        )
        lines += [f"  lost: {', '.join(flips.lost)}"] if flips.lost else []
        lines += [f"  gained: {', '.join(flips.gained)}"] if flips.gained else []
    return [*lines, *_side_readings(found)]


def _side_readings(found: Evaluation) -> list[str]:
    lines = []
    if found.noise:
        lines.append(
            f"noise floor: {found.noise.flips} of {found.noise.items} items flip when the "
            "baseline is asked twice"
        )
    if found.under_load:
        loaded = found.under_load
        lines.append(
            f"under load: {loaded.flips} of {loaded.items} items flip with "
            f"{loaded.concurrency} in flight ({loaded.difference:+.3f})"
        )
    if found.fidelity:
        lines.append(fidelity_sentence(found.fidelity))
    if found.fidelity_because:
        lines.append(f"no fidelity: {found.fidelity_because}")
    return lines


def _interval(bounds: Interval) -> str:
    return f"[{bounds.lo:.3f}, {bounds.hi:.3f}]"
