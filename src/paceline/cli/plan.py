"""`paceline plan`: what could serve a model, here or on anything that can be rented."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.budget import estimate_document, estimate_text, estimated
from paceline.app.image_plan import usual_preset_here
from paceline.app.image_survey import (
    ImagesSurveyed,
    image_model,
    images_document,
    survey_images,
)
from paceline.app.licenses import banner, license_document
from paceline.app.plan_here import plans_here
from paceline.app.planning import plan_request, with_price
from paceline.app.report import plan_document
from paceline.app.survey import Prices, survey_request
from paceline.app.survey_document import survey_document
from paceline.app.wiring import Workshop
from paceline.cli.documents import print_json
from paceline.cli.options import (
    AcceptLicense,
    AsJson,
    BudgetText,
    Constraints,
    Formats,
    ModeName,
    Pin,
    Priority,
    RequestFile,
    Words,
    WorkloadText,
)
from paceline.cli.plan_text import print_images, print_local, print_survey, print_understood
from paceline.cli.request_file import request_text
from paceline.errors import Code, SpecError
from paceline.records.request import Request
from paceline.spec.read import Asked, read_request

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
PriceFile = Annotated[Path | None, typer.Option("--prices", help="CSV of your prices; they win.")]
Market = Annotated[
    str | None,
    typer.Option("--market", help="on-demand, spot, serverless-active or serverless-flex."),
]


def plan(
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
    prices: PriceFile = None,
    market: Market = None,
    mode: ModeName = None,
    accept_license: AcceptLicense = False,
    file: RequestFile = None,
    as_json: AsJson = False,
) -> None:
    """Predict what could serve a model, with bands, prices and reasons. Launches nothing.

    A model that this machine can run is planned for this machine, as `optimize` would measure it.
    With --hardware, or a model that is only a config or a name, every accelerator in the tables
    is looked at instead.
    """
    asked = Asked(
        model=model,
        priority=priority,
        constraints=tuple(constraint or ()),
        workload=workload,
        engines=tuple(engine or ()),
        formats=tuple(format_ or ()),
        hardware=tuple(hardware or ()),
        pin=pin,
        budget=budget,
        mode=mode,
        accept_license=accept_license,
    )
    request = read_request(
        asked,
        words=" ".join(words) if words else None,
        file=request_text(file),
        usual=usual_preset_here,
    )
    shop = Workshop()
    here = plans_here(request, shop)
    if here is not None:
        _refuse_of_tables(prices=prices, market=market)
        show_local(here, shop, as_json=as_json)
        return
    at_prices = Prices(file=prices, market=market)
    pictures = image_model(request.model, shop)
    if pictures is not None:
        show_images(survey_images(request, pictures, shop, at_prices), as_json=as_json)
        return
    found = survey_request(request, shop, at_prices)
    if as_json:
        print_json(survey_document(found))
        return
    print_understood(request)
    print_survey(found)


def _refuse_of_tables(*, prices: Path | None, market: str | None) -> None:
    given = {"--prices": prices, "--market": market}
    names = " ".join(name for name, value in given.items() if value is not None)
    if names:
        raise SpecError(
            Code.CONTRADICTION,
            f"{names} is about accelerators to rent",
            why="this plan is for this machine, whose price no list has",
            fix="--hardware all, or leave it out",
        )


def show_images(found: ImagesSurveyed, *, as_json: bool) -> None:
    """What each accelerator of the tables could do with an image model, and for how much."""
    if as_json:
        print_json(images_document(found))
        return
    print_understood(found.request)
    said = banner(found.model)
    if said is not None:
        typer.echo(said, err=True)
    print_images(found)


def show_local(request: Request, shop: Workshop, *, as_json: bool) -> None:
    """What a run on this machine would measure, what it should find, and how long it would take."""
    planned = plan_request(request, shop, model=shop.hub.preview(request.model))
    request = with_price(request, planned)
    estimate = estimated(request, planned, shop)
    if as_json:
        document = plan_document(request, planned.plan)
        terms = license_document(planned.model)
        estimate_json = estimate_document(estimate, request)
        print_json({**document, "license": terms, "estimate": estimate_json})
        return
    print_understood(request)
    said = banner(planned.model)
    if said is not None:
        typer.echo(said, err=True)
    print_local(request, planned, estimate_text(estimate, request))
