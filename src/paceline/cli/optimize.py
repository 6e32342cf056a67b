"""`paceline optimize`: one request, measured."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.image_plan import usual_preset_here
from paceline.app.optimize import resume_run, start_run
from paceline.app.redirect import redirect_run
from paceline.app.report import run_document
from paceline.app.runs import ranking_of, receipt_path
from paceline.app.search_report import search_document, search_lines
from paceline.app.wiring import Workshop
from paceline.cli.documents import print_json
from paceline.cli.options import (
    NO_VARIANT,
    AcceptLicense,
    AsJson,
    BesideNames,
    BudgetText,
    Constraints,
    Draft,
    EarlierRun,
    Formats,
    Items,
    ModeName,
    Pin,
    PipelineName,
    Price,
    PriceFile,
    Priority,
    RequestFile,
    Seed,
    Share,
    SuiteNames,
    Words,
    WorkloadText,
    WorkspaceName,
    asked_by,
)
from paceline.cli.plan_local import changed_words, show_local, show_redirected
from paceline.cli.progress import LineWatch
from paceline.cli.request_file import request_text
from paceline.cli.show import print_run
from paceline.cli.streams import TERMINATED
from paceline.errors import Code, SpecError
from paceline.records.request import Request
from paceline.records.run import RunRecord, RunState
from paceline.spec.read import Asked, read_request

ModelName = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL]", help="A folder, ORG/NAME of a hub, or `reference`."),
]
Engines = Annotated[
    list[str] | None, typer.Option("--engine", help="Only these engines; the first is preferred.")
]
Hardware = Annotated[list[str] | None, typer.Option("--hardware", help="Only these accelerators.")]
ShareDevice = Annotated[
    bool, typer.Option("--share-device", help="Measure even where an endpoint has a replica.")
]
ResumedRun = Annotated[
    str | None,
    typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Like `paceline plan`.")]


def optimize(
    context: typer.Context,
    model: ModelName = None,
    words: Words = None,
    priority: Priority = None,
    constraint: Constraints = None,
    workload: WorkloadText = None,
    engine: Engines = None,
    format_: Formats = None,
    hardware: Hardware = None,
    pin: Pin = None,
    budget: BudgetText = None,
    pipeline: PipelineName = None,
    price: Price = None,
    prices: PriceFile = None,
    seed: Seed = None,
    quality_items: Items = None,
    quality_share: Share = None,
    beside: BesideNames = None,
    suite: SuiteNames = None,
    draft: Draft = None,
    mode: ModeName = None,
    accept_license: AcceptLicense = False,
    file: RequestFile = None,
    resume: ResumedRun = None,
    from_: EarlierRun = None,
    dry_run: DryRun = False,
    share_device: ShareDevice = False,
    workspace: WorkspaceName = "default",
    as_json: AsJson = False,
) -> None:
    """Find the best variant of a model: launch, measure, rank, write a receipt.
    Exits 5 when no variant satisfies the constraints.
    """
    shop = Workshop(share_device=share_device, workspace=workspace)
    asked = asked_by(context, shop.clock.utc_now().date())
    if resume is not None:
        _resume(resume, model, words, shop, as_json=as_json)
    elif from_ is not None:
        _redirect(from_, asked, words, file, shop, dry_run=dry_run, as_json=as_json)
    else:
        _start(asked, words, file, shop, dry_run=dry_run, as_json=as_json)


def _start(
    asked: Asked,
    words: list[str] | None,
    file: Path | None,
    shop: Workshop,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    request = _read(asked, words, file)
    if dry_run:
        show_local(request, shop, as_json=as_json)
        return
    _print_outcome(start_run(request, shop, LineWatch(shop.clock)), shop, as_json=as_json)


def _resume(
    run_id: str, model: str | None, words: list[str] | None, shop: Workshop, *, as_json: bool
) -> None:
    _refuse_beside_resume(model, words)
    _print_outcome(resume_run(run_id, shop, LineWatch(shop.clock)), shop, as_json=as_json)


def _redirect(
    run_id: str,
    asked: Asked,
    words: list[str] | None,
    file: Path | None,
    shop: Workshop,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    if dry_run:
        show_redirected(run_id, asked, words, file, shop, as_json=as_json)
        return
    said, text = changed_words(asked, words), request_text(file)
    run = redirect_run(run_id, asked, said, shop, LineWatch(shop.clock), file=text)
    _print_outcome(run, shop, as_json=as_json)


def _read(asked: Asked, words: list[str] | None, file: Path | None) -> Request:
    return read_request(
        asked,
        words=" ".join(words) if words else None,
        file=request_text(file),
        usual=usual_preset_here,
    )


def _refuse_beside_resume(model: str | None, words: list[str] | None) -> None:
    if model is not None or words:
        raise SpecError(
            Code.CONTRADICTION,
            "--resume goes on with a stored request",
            why=f"a new one was given too: {' '.join([model or '', *(words or ())])!r}",
            fix="leave the model out, or start a new run without --resume",
        )


def _print_outcome(run: RunRecord, shop: Workshop, *, as_json: bool) -> None:
    ranking = ranking_of(run, shop)
    path = receipt_path(run, shop)
    if as_json:
        document = run_document(run, ranking, str(path) if path else None)
        print_json({**document, "search": search_document(run, ranking, shop)})
    else:
        print_run(run, ranking, path, shop.store.trials(run.run_id))
        for line in search_lines(run, ranking, shop):
            typer.echo(line)
    if run.state is RunState.CANCELLED:
        raise typer.Exit(TERMINATED)
    if ranking.winner is None:
        raise typer.Exit(NO_VARIANT)
