"""`paceline plan`: what could serve a model, here or on anything that can be rented.

Only what the tables need is imported at the start. Plans for this machine and for image models
bring in engines, trials and their records, which takes longer than the tables' arithmetic.
"""

from typing import Annotated, NoReturn

import typer

from paceline.app.image_plan import image_model, usual_preset_here
from paceline.app.plan_here import plans_here
from paceline.app.survey import Prices, survey_request
from paceline.app.survey_document import survey_document
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
from paceline.cli.plan_text import print_survey, print_understood
from paceline.cli.request_file import request_text
from paceline.errors import Code, SpecError
from paceline.records.request import Budget, Request
from paceline.spec.read import read_request

ModelName = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL]", help="A folder, a config.json, a name, or `reference`."),
]
Engines = Annotated[list[str] | None, typer.Option("--engine", help="Only these engines.")]
Hardware = Annotated[
    list[str] | None,
    typer.Option(
        "--hardware",
        help="`here`, `all`, accelerators (l40s, h100-sxm) or classes (gpu, tpu, hopper).",
    ),
]
Market = Annotated[
    str | None,
    typer.Option("--market", help="on-demand, spot, serverless-active or serverless-flex."),
]


def plan(
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
    market: Market = None,
    seed: Seed = None,
    quality_items: Items = None,
    quality_share: Share = None,
    beside: BesideNames = None,
    suite: SuiteNames = None,
    draft: Draft = None,
    mode: ModeName = None,
    accept_license: AcceptLicense = False,
    file: RequestFile = None,
    from_: EarlierRun = None,
    workspace: WorkspaceName = "default",
    as_json: AsJson = False,
) -> None:
    """Predict what could serve a model, with bands, prices and reasons. Launches nothing.

    A model that this machine can run is planned for this machine, as `optimize` would measure it.
    With --hardware, or a model that is only a config or a name, every accelerator in the tables
    is looked at instead. Exits 5 when nothing could serve it.
    """
    shop = Workshop(workspace=workspace)
    asked = asked_by(context, shop.clock.utc_now().date())
    if from_ is not None:
        _refuse_market(market)
        from paceline.cli.plan_local import show_redirected  # noqa: PLC0415 - see above

        show_redirected(from_, asked, words, file, shop, as_json=as_json)
        return
    request = read_request(
        asked,
        words=" ".join(words) if words else None,
        file=request_text(file),
        usual=usual_preset_here,
    )
    here = plans_here(request, shop)
    if here is not None:
        _refuse_market(market)
        from paceline.cli.plan_local import show_local  # noqa: PLC0415 - see above

        show_local(here, shop, as_json=as_json)
        return
    _show_for_rent(request, shop, Prices(file=prices, market=market), as_json=as_json)


def _show_for_rent(request: Request, shop: Workshop, prices: Prices, *, as_json: bool) -> None:
    if request.budget != Budget():
        typer.echo("--budget is left aside: it limits measuring, and nothing is measured", err=True)
    if request.draft is not None:
        typer.echo("--draft is left aside: it is planned for this machine alone", err=True)
    pictures = image_model(request.model, shop, pictures=request.workload.image is not None)
    if pictures is not None:
        from paceline.cli.plan_images import show_images  # noqa: PLC0415 - as above

        show_images(request, pictures, shop, prices, as_json=as_json)
        return
    found = survey_request(request, shop, prices)
    if as_json:
        print_json(survey_document(found))
    else:
        print_understood(request)
        print_survey(found)
    if not found.by_accelerator:
        _end_without_any()


def _end_without_any() -> NoReturn:
    typer.echo(
        "nothing could serve it: loosen what the nearest misses above name, or look further with"
        " --hardware all",
        err=True,
    )
    raise typer.Exit(NO_VARIANT)


def _refuse_market(market: str | None) -> None:
    if market is not None:
        raise SpecError(
            Code.CONTRADICTION,
            f"--market {market} is about accelerators to rent",
            why="this plan is for this machine, which is always on",
            fix="--hardware all, or leave it out",
        )
