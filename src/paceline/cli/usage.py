"""`paceline usage`: what was used, by whom, and what it cost."""

from typing import Annotated, Final

import typer

from paceline.app.usage import usage_document
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.errors import Code, SpecError
from paceline.records.usage import UsageBy, UsageTotal
from paceline.units import parse_duration_s

LEAST_USD: Final = 0.0001


def usage(
    by: Annotated[UsageBy, typer.Option(help="What to sum by.")] = UsageBy.ENDPOINT,
    last: Annotated[str, typer.Option(help="How far back, e.g. 24h or 30d.")] = "30d",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show requests, tokens, seconds and cost of what was served."""
    seconds = parse_duration_s(last)
    if seconds is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"--last {last!r} is no duration",
            why="a number and a unit are needed",
            fix="--last 30d",
        )
    shop = Workshop()
    since_s = shop.clock.utc_now().timestamp() - seconds
    totals = shop.store.access.usage(by=by, since_s=since_s)
    if as_json:
        print_json({"by": by.value, "usage": [usage_document(total) for total in totals]})
        return
    painted = any(total.images for total in totals)
    columns = (
        *(by.value, "requests", "ok", "not ok", "tokens in", "tokens out"),
        *(("images",) if painted else ()),
        *("busy", "USD"),
    )
    rows = [_row(total, images=painted) for total in totals]
    print_table(f"Usage of the last {last}", columns, rows)


def _row(total: UsageTotal, *, images: bool) -> tuple[str, ...]:
    return (
        total.group,
        f"{total.requests:,}",
        f"{total.ok:,}",
        f"{total.requests - total.ok:,}",
        f"{total.input_tokens:,}",
        f"{total.output_tokens:,}",
        *((f"{total.images:,}",) if images else ()),
        f"{total.execution_s:,.0f} s",
        dollars(total.usd),
    )


def dollars(usd: float) -> str:
    """To a hundredth of a cent; what is less and not nothing is not shown as nothing."""
    return "<0.0001" if 0 < usd < LEAST_USD else f"{usd:,.4f}"
