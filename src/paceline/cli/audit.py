"""`paceline audit`: who changed what, and when."""

from typing import Annotated

import typer

from paceline.app.audit import audit_document, audit_trail, read_since
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.records.audit import AuditKind
from paceline.records.run import AuditEvent


def audit(
    since: Annotated[str, typer.Option(help="How far back, e.g. 7d, or a date.")] = "30d",
    kind: Annotated[AuditKind | None, typer.Option(help="Only what was done so.")] = None,
    actor: Annotated[
        str | None, typer.Option(help="Only by this one: `local`, `serve` or the id of a key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show who deployed, rolled back, made keys or changed limits, oldest first.

    `local` is a command on this machine, `serve` a decision of `paceline serve`, everything else
    the admin key that was used. The trail is only ever added to, and holds no secrets.
    """
    shop = Workshop()
    since_utc = read_since(since, shop.clock)
    events = audit_trail(shop, since_utc=since_utc, kind=kind, actor=actor)
    if as_json:
        print_json({"events": [audit_document(event) for event in events]})
        return
    columns = ("when", "who", "did", "to", "how")
    print_table("Audit trail", columns, [_row(event) for event in events])


def _row(event: AuditEvent) -> tuple[str, ...]:
    subject = event.subject or event.pipeline or event.run_id or "–"
    return (event.at_utc, event.actor or "–", event.kind, subject, event.detail)
