"""`paceline eval`: the quality of any OpenAI-compatible endpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from paceline.app.embeddings import embeddings_document, examine_embeddings
from paceline.app.endpoint_url import endpoint_url
from paceline.app.evaluate import EvalRequest, Evaluation, examine
from paceline.app.evaluation_report import evaluation_document, evaluation_page
from paceline.app.harness import HarnessRequest, examine_tasks
from paceline.app.output_files import require_writable, write_output
from paceline.app.wiring import Workshop
from paceline.cli.evaluation import print_evaluation, show_progress
from paceline.cli.output import print_json
from paceline.records.load import Route, Target
from paceline.records.measurement import Verdict
from paceline.records.quality import Split, StopCause
from paceline.records.request import MOST_SEED

WORSE: Final = 5
"""Exit code when the endpoint is worse than `--against` by more than the margin, or broken."""

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
Seed = Annotated[
    int, typer.Option(min=0, max=MOST_SEED, help="Order of asking, and the seed sent along.")
]
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
FormatName = Annotated[
    str | None,
    typer.Option("--format", help="How its weights are stored, e.g. int8: bounds --fidelity."),
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
Embeddings = Annotated[
    bool, typer.Option("--embeddings", help="Compare embeddings with --against; no suite.")
]
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
    format_: FormatName = None,
    completions: Completions = False,
    tasks: Tasks = None,
    data: Data = None,
    limit: Limit = None,
    embeddings: Embeddings = False,
    api_key: ApiKey = None,
    resume: Resume = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Score an endpoint on a suite, or compare it item by item with another.

    Exits with 5 when it is broken, or worse than --against by more than the margin.
    """
    route = Route.COMPLETIONS if completions else Route.CHAT
    target = Target(base_url=endpoint_url(url), model=model, api_key=api_key, route=route)
    other = replace(target, model=against_model or model)
    request = EvalRequest(
        target=target,
        suite=suite,
        against=replace(other, base_url=endpoint_url(against)) if against else None,
        split=split,
        margin=margin,
        concurrency=concurrency,
        seed=seed,
        every_item=every_item,
        noise_floor=noise_floor,
        loaded_concurrency=under_load,
        fidelity=fidelity,
        format=format_,
        answers_path=resume,
    )
    require_writable(html, "--html")
    if embeddings:
        _compare_embeddings(request, as_json=as_json)
        return
    asked = HarnessRequest(tasks=tuple(tasks.split(",")), data=data, limit=limit) if tasks else None
    found = _examined(request, asked)
    _print(request, found, as_json=as_json)
    if html is not None:
        write_output(html, evaluation_page(request, found).encode(), "--html")
    if _is_worse(found):
        raise typer.Exit(WORSE)


def _print(request: EvalRequest, found: Evaluation, *, as_json: bool) -> None:
    if as_json:
        print_json(evaluation_document(request, found))
    else:
        print_evaluation(found)


def _examined(request: EvalRequest, tasks: HarnessRequest | None) -> Evaluation:
    if tasks is None:
        return examine(request, on_progress=show_progress)
    return examine_tasks(request, tasks, shop=Workshop(), say=_say)


def _compare_embeddings(request: EvalRequest, *, as_json: bool) -> None:
    found = examine_embeddings(request)
    if as_json:
        print_json(embeddings_document(request, found))
        return
    cosine = (
        "vectors of different lengths"
        if found.mean_cosine is None
        else f"cosine {found.mean_cosine:.4f} on average, {found.least_cosine:.4f} at least"
    )
    typer.echo(
        f"{found.queries} queries over {found.documents} documents: {found.overlap:.3f} of the "
        f"{found.nearest} nearest agree; {cosine}"
    )


def _is_worse(found: Evaluation) -> bool:
    broken = found.result.stopped is not None and found.result.stopped.cause is StopCause.GARBAGE
    return broken or (found.verdict is not None and found.verdict.verdict is Verdict.FAIL)


def _say(line: str) -> None:
    typer.echo(line, err=True)
