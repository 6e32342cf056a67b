"""`paceline usage`: what was used, by whom, and what it cost."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer

from paceline.app.accelerator_time import ACCELERATOR_S, DeviceTime
from paceline.app.usage_report import Used, usage_document, used
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.errors import Code, SpecError
from paceline.records.usage import UsageBy, UsageTotal
from paceline.units import format_duration, parse_duration_s

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
    found = used(shop, by=by, since_s=since_s)
    if as_json:
        print_json({"by": by.value, "usage": [usage_document(one) for one in found]})
        return
    told = {column: cells for column, cells in _where_told(found) if any(cells)}
    shown = dict(_columns(by, found)) | told
    rows = list(zip(*shown.values(), strict=True))
    print_table(f"Usage of the last {last}", tuple(shown), rows)


def _columns(by: UsageBy, found: Sequence[Used]) -> Iterator[tuple[str, list[str]]]:
    """Each with its cells."""
    totals = [one.total for one in found]
    yield by.value, [total.group for total in totals]
    yield "requests", [f"{total.requests:,}" for total in totals]
    yield "ok", [f"{total.ok:,}" for total in totals]
    yield "not ok", [f"{total.requests - total.ok:,}" for total in totals]
    yield "tokens in", [f"{total.input_tokens:,}" for total in totals]
    yield "tokens out", [f"{total.output_tokens:,}" for total in totals]
    yield "busy", [f"{total.execution_s:,.0f} s" for total in totals]
    yield "USD", [dollars(total.usd) for total in totals]


def _where_told(found: Sequence[Used]) -> Iterator[tuple[str, list[str]]]:
    """Those that say nothing of many endpoints, with empty cells."""
    totals = [one.total for one in found]
    painted = any(total.images for total in totals)
    yield "images", [f"{total.images:,}" if painted else "" for total in totals]
    yield "mean TTFT", [_ttft(total) for total in totals]
    times = [one.times for one in found]
    yield _unit(times), [_seconds(one, rest=False) for one in times]
    yield "rest", [_seconds(one, rest=True) for one in times]
    yield "time USD", [_usd(one, rest=False) for one in times]
    yield "rest USD", [_usd(one, rest=True) for one in times]


def _ttft(total: UsageTotal) -> str:
    return "" if total.ttft_mean_s is None else format_duration(total.ttft_mean_s)


def _unit(times: Sequence[Sequence[DeviceTime]]) -> str:
    units = {time.unit for group in times for time in group}
    return units.pop() if len(units) == 1 else ACCELERATOR_S


def _seconds(times: Sequence[DeviceTime], *, rest: bool) -> str:
    """By type, named where there are several."""
    shown = [(time.accelerator, time.rest_s if rest else time.requests_s) for time in times]
    named = len(times) > 1
    return ", ".join(
        f"{accelerator} {seconds:,.1f}" if named else f"{seconds:,.1f}"
        for accelerator, seconds in shown
        if seconds is not None
    )


def _usd(times: Sequence[DeviceTime], *, rest: bool) -> str:
    """Nothing unless all of it has a price."""
    found = [time.rest_usd if rest else time.requests_usd for time in times]
    known = [usd for usd in found if usd is not None]
    return dollars(sum(known)) if known and len(known) == len(found) else ""


def dollars(usd: float) -> str:
    """To a hundredth of a cent; what is less and not nothing is not shown as nothing."""
    return "<0.0001" if 0 < usd < LEAST_USD else f"{usd:,.4f}"
