"""A plan of `paceline plan` for an image model on accelerators to rent, printed."""

import typer

from paceline.app.image_survey import images_document, survey_images
from paceline.app.licenses import banner
from paceline.app.survey import Prices
from paceline.app.wiring import Workshop
from paceline.cli.documents import print_json
from paceline.cli.plan_text import print_images, print_understood
from paceline.records.model import Model
from paceline.records.request import Request


def show_images(
    request: Request, model: Model, shop: Workshop, prices: Prices, *, as_json: bool
) -> None:
    """What each accelerator of the tables could do with an image model, and for how much."""
    found = survey_images(request, model, shop, prices)
    if as_json:
        print_json(images_document(found))
        return
    print_understood(found.request)
    said = banner(found.model)
    if said is not None:
        typer.echo(said, err=True)
    print_images(found)
