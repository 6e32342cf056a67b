"""A plan for this machine, printed: of `paceline plan`, and of `optimize --dry-run`."""

from pathlib import Path

import typer

from paceline.app.budget import (
    estimate_document,
    estimate_text,
    estimated,
    refuse_too_small,
    refuse_unpriced,
)
from paceline.app.licenses import banner, license_document
from paceline.app.plan_document import plan_document
from paceline.app.planning import plan_request, with_price
from paceline.app.redirect import redirected
from paceline.app.wiring import Workshop
from paceline.cli.documents import print_json
from paceline.cli.plan_text import print_local, print_understood
from paceline.cli.request_file import request_text
from paceline.records.request import Request
from paceline.spec.read import Asked


def show_local(request: Request, shop: Workshop, *, as_json: bool) -> None:
    """What a run on this machine would measure, what it should find, and how long it would take.

    Raises SpecError for a budget that a run would be refused for.
    """
    planned = plan_request(request, shop, model=shop.hub.preview(request.model))
    request = with_price(request, planned)
    refuse_unpriced(request, planned.plan)
    estimate = estimated(request, planned, shop)
    refuse_too_small(request, estimate)
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


def show_redirected(
    run_id: str,
    asked: Asked,
    words: list[str] | None,
    file: Path | None,
    shop: Workshop,
    *,
    as_json: bool,
) -> None:
    """The same for an earlier run's request with changes. Raises SpecError as `redirected`."""
    text = request_text(file)
    turned = redirected(run_id, asked, changed_words(asked, words), shop, file=text)
    typer.echo(f"changed: {'; '.join(turned.changes)}", err=True)
    show_local(turned.request, shop, as_json=as_json)


def changed_words(asked: Asked, words: list[str] | None) -> str | None:
    """The model is that of the earlier run, so what stands in its place is a word as well."""
    return " ".join(word for word in (asked.model, *(words or ())) if word) or None
