"""`paceline verify`: re-check a receipt offline."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.verify import verify_receipt
from paceline.cli.output import print_json

NOT_VERIFIED = 6


def verify(
    receipt: Annotated[Path, typer.Argument(help="A file from `paceline runs show RUN`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compute everything that a receipt says from its raw data again.

    Exits 6 and names the fields when anything differs. Needs no network and no engine.
    """
    found = verify_receipt(receipt)
    if as_json:
        print_json(
            {
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
        )
    else:
        for finding in found.findings:
            typer.echo(finding.text)
        typer.echo(
            f"{'verified' if found.ok else 'NOT verified'}: {found.figures} figures of"
            f" {found.trials} trials from {found.samples} sample files"
        )
    if not found.ok:
        raise typer.Exit(NOT_VERIFIED)
