"""`paceline eval`: the quality of any OpenAI-compatible endpoint."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from paceline.app.evaluate import EvalRequest, Evaluation, examine
from paceline.app.evaluation_report import evaluation_document, evaluation_page
from paceline.app.harness import HarnessRequest, examine_tasks
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.ports.quality import OnProgress
from paceline.records.load import Route, Target
from paceline.records.measurement import Interval, Verdict
from paceline.records.quality import QualityProgress, Split

WORSE: Final = 5
"""Exit code when the endpoint is worse than `--against` by more than the margin, or broken."""

_LINE_EVERY: Final = 50
_ERASE_LINE: Final = "\r\x1b[K"

Url = Annotated[str, typer.Argument(help="Where the endpoint is, e.g. http://127.0.0.1:8000.")]
ModelName = Annotated[str, typer.Option("--model", help="Its model, as in /v1/models.")]
Against = Annotated[str | None, typer.Option(help="A baseline endpoint, compared item by item.")]
AgainstModel = Annotated[
    str | None, typer.Option("--against-model", help="Its model; the same name if left out.")
]
SuiteName = Annotated[
    str, typer.Option("--suite", help="standard, reference, or a .jsonl or .csv file.")
]
SplitName = Annotated[Split, typer.Option("--split", help="report: the items kept for reporting.")]
Margin = Annotated[
    float, typer.Option(min=0.001, max=0.999, help="How much worse is still good enough.")
]
Concurrency = Annotated[int, typer.Option(min=1, max=512, help="Items in flight.")]
Seed = Annotated[int, typer.Option(help="Order of asking, and the seed sent along.")]
EveryItem = Annotated[
    bool, typer.Option("--every-item", help="Ask on when the verdict is already clear.")
]
Noise = Annotated[
    bool, typer.Option("--noise-floor", help="Ask the baseline twice and count its own flips.")
]
Loaded = Annotated[
    int | None,
    typer.Option("--under-load", min=2, max=512, help="Ask again with so many in flight."),
]
FidelityToo = Annotated[
    bool, typer.Option("--fidelity", help="Compare next-token distributions with --against.")
]
Completions = Annotated[
    bool, typer.Option("--completions", help="Use /v1/completions: no chat template needed.")
]
Tasks = Annotated[
    str | None, typer.Option("--tasks", help="Tasks of lm-eval instead of a suite: gsm8k,mmlu.")
]
Data = Annotated[
    Path | None, typer.Option(help="Folder of task files and data for --tasks: no network.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Items of each task of --tasks.")]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar="PACELINE_API_KEY", help="Sent as Bearer.")
]
Resume = Annotated[
    Path | None, typer.Option(help="Keep the answers in this file and go on from it.")
]
Html = Annotated[Path | None, typer.Option(help="Also write a page with every item.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def eval_command(
    url: Url,
    model: ModelName,
    against: Against = None,
    against_model: AgainstModel = None,
    suite: SuiteName = "standard",
    split: SplitName = Split.MAIN,
    margin: Margin = 0.03,
    concurrency: Concurrency = 8,
    seed: Seed = 0,
    every_item: EveryItem = False,
    noise_floor: Noise = False,
    under_load: Loaded = None,
    fidelity: FidelityToo = False,
    completions: Completions = False,
    tasks: Tasks = None,
    data: Data = None,
    limit: Limit = None,
    api_key: ApiKey = None,
    resume: Resume = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Score an endpoint on a suite, or compare it item by item with another.

    Exits with 5 when it is broken, or worse than --against by more than the margin.
    """
    route = Route.COMPLETIONS if completions else Route.CHAT

    def target(base_url: str, name: str) -> Target:
        return Target(base_url=base_url, model=name, api_key=api_key, route=route)

    request = EvalRequest(
        target=target(url, model),
        suite=suite,
        against=target(against, against_model or model) if against else None,
        split=split,
        margin=margin,
        concurrency=concurrency,
        seed=seed,
        every_item=every_item,
        noise_floor=noise_floor,
        loaded_concurrency=under_load,
        fidelity=fidelity,
        answers_path=resume,
    )
    if tasks is None:
        found = examine(request, on_progress=_progress)
    else:
        asked = HarnessRequest(tasks=tuple(tasks.split(",")), data=data, limit=limit)
        found = examine_tasks(request, asked, shop=Workshop(), say=_say)
    if html is not None:
        html.write_text(evaluation_page(request, found), encoding="utf-8")
    if as_json:
        print_json(evaluation_document(request, found))
    else:
        _print(found)
    if _is_worse(found):
        raise typer.Exit(WORSE)


def _is_worse(found: Evaluation) -> bool:
    broken = found.result.stopped is not None and found.result.stopped.cause == "garbage"
    return broken or (found.verdict is not None and found.verdict.verdict is Verdict.FAIL)


def _progress(part: str) -> OnProgress:
    """A line on stderr that changes on a terminal, and one in fifty items elsewhere."""
    terminal = sys.stderr.isatty()

    def show(progress: QualityProgress) -> None:
        done = progress.answered == progress.total
        text = (
            f"{part}: {progress.answered}/{progress.total} items, {progress.score:.3f} so far"
            + (f", {progress.errors} failed" if progress.errors else "")
        )
        if terminal:
            sys.stderr.write(f"{_ERASE_LINE}{text}" + ("\n" if done else ""))
        elif done or progress.answered % _LINE_EVERY == 0:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    return show


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _print(found: Evaluation) -> None:
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
        close = found.fidelity
        lines.append(
            f"fidelity ({close.reading.value}, {close.positions} positions): mean KL "
            f"{close.mean_kl_nats:.4f} nats, top-1 agreement {close.top1_agreement:.3f}, "
            f"perplexity × {close.perplexity_ratio:.4f} (coverage {close.coverage:.2f})"
        )
    if found.fidelity_because:
        lines.append(f"no fidelity: {found.fidelity_because}")
    return lines


def _interval(bounds: Interval) -> str:
    return f"[{bounds.lo:.3f}, {bounds.hi:.3f}]"
