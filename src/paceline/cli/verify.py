"""`paceline verify`: re-check a receipt offline, or measure its choice again."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.remeasure import remeasure
from paceline.app.verify import verify_receipt
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.cli.progress import LineWatch
from paceline.records.receipt import Agreement, Fault, FigureAgain, Remeasured, Verification

NOT_VERIFIED = 6
UNDECIDED = 4


def verify(
    receipt: Annotated[Path, typer.Argument(help="A file from `paceline runs show RUN`.")],
    measure: Annotated[
        bool,
        typer.Option(
            "--remeasure", help="Then launch its baseline and winner again and compare; minutes."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compute everything that a receipt says from its raw data again.

    Exits 6 and names the fields when anything differs. Needs no network and no engine, but for
    --remeasure, which exits 4 when the noise leaves the order open.
    """
    found = verify_receipt(receipt)
    again = None
    if measure and found.ok:
        shop = Workshop()
        again = remeasure(receipt, shop, LineWatch(shop.clock))
    if as_json:
        print_json(_document(found) | ({} if again is None else {"remeasured": _again(again)}))
    else:
        _print_found(found)
        if again is not None:
            _print_again(again)
    if not found.ok or (again is not None and again.agreement is Agreement.DIFFERS):
        raise typer.Exit(NOT_VERIFIED)
    if again is not None and again.agreement is Agreement.OPEN:
        raise typer.Exit(UNDECIDED)


def _document(found: Verification) -> dict[str, object]:
    return {
        "ok": found.ok,
        "receipt": found.sha256,
        "run_id": found.run_id,
        "trials": found.trials,
        "samples": found.samples,
        "figures": found.figures,
        "findings": [
            {
                "path": finding.path,
                "fault": finding.fault.value,
                "detail": finding.detail,
                "stored": finding.stored,
                "found": finding.found,
            }
            for finding in found.findings
        ],
    }


def _again(again: Remeasured) -> dict[str, object]:
    return {
        "run_id": again.run_id,
        "verdict": again.agreement.value,
        "order": again.order.value,
        "order_because": again.order_because,
        "elsewhere": again.elsewhere,
        "figures": [
            {
                "variant": figure.variant.id,
                "name": figure.name,
                "unit": figure.stored.unit,
                "stored": figure.stored.value,
                "found": None if figure.found is None else figure.found.value,
                "verdict": figure.agreement.value,
                "because": figure.because,
            }
            for figure in again.figures
        ],
    }


def _print_found(found: Verification) -> None:
    for finding in found.findings:
        typer.echo(finding.text)
    typer.echo(
        f"{'verified' if found.ok else 'NOT verified'}: {found.figures} figures of"
        f" {found.trials} trials from {found.samples} sample files"
    )
    if any(finding.fault is Fault.BLOB for finding in found.findings):
        typer.echo(
            "raw data are looked for beside the receipt's folder: copy `receipts`, `samples` and"
            " `pictures` of the data folder together",
            err=True,
        )


def _print_again(again: Remeasured) -> None:
    if again.elsewhere is not None:
        typer.echo(f"only the order is judged: {again.elsewhere}")
    columns = ("variant", "figure", "receipt", "now", "verdict")
    print_table("measured again", columns, [_row(figure) for figure in again.figures])
    typer.echo(f"order {again.order.value}: {again.order_because}")
    typer.echo(f"measured again: {again.agreement.value}")


def _row(figure: FigureAgain) -> tuple[str, ...]:
    now = "–" if figure.found is None else f"{figure.found.value:,.4g}"
    unit = figure.stored.unit
    return (
        figure.variant.label,
        figure.name,
        f"{figure.stored.value:,.4g} {unit}",
        f"{now} {unit}",
        f"{figure.agreement.value}: {figure.because}",
    )
