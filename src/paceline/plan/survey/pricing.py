"""Which price an accelerator is counted at, from many rows of different days and markets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from paceline.plan.facts.tables import Price

STALE_AFTER_DAYS: Final = 180
"""Rows older than this are flagged, and used only where nothing younger is known: list prices of
accelerators were seen to halve within a year (A100: $5.07 to $1.10 an hour among the rows here)."""
MARKETS: Final = ("on-demand", "serverless-active", "serverless-flex", "spot")
"""The order in which a market stands for the price of an accelerator that is always on."""
SECONDS_PER_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price that one market asks, and whether it is too old to rely on."""

    price: Price
    age_days: int
    """Counted from the first day that `as_of` can mean: `2026` is the first of January."""

    @property
    def stale(self) -> bool:
        return self.age_days > STALE_AFTER_DAYS

    @property
    def usd_per_device_second(self) -> float:
        return self.price.usd_per_device_hour / SECONDS_PER_HOUR


Quotes = Mapping[str, Mapping[str, Quote]]
"""Accelerator to market to quote."""


def with_own(shipped: Sequence[Price], own: Sequence[Price]) -> tuple[Price, ...]:
    """The user's rows in place of all shipped ones for the same accelerator and market."""
    replaced = {(row.accelerator, row.market) for row in own}
    kept = [row for row in shipped if (row.accelerator, row.market) not in replaced]
    return (*own, *kept)


def quotes(prices: Iterable[Price], today: date) -> Quotes:
    """The cheapest row per accelerator and market; a stale one only where all are."""
    found: dict[str, dict[str, Quote]] = {}
    for price in prices:
        quote = Quote(price=price, age_days=(today - _first_day(price.as_of)).days)
        markets = found.setdefault(price.accelerator, {})
        before = markets.get(price.market)
        if before is None or _preference(quote) < _preference(before):
            markets[price.market] = quote
    return found


def usual(markets: Mapping[str, Quote] | None, market: str | None = None) -> Quote | None:
    """What an always-on accelerator costs: in `market`, else in the first of `MARKETS` it has."""
    if not markets:
        return None
    if market is not None:
        return markets.get(market)
    return next((markets[name] for name in MARKETS if name in markets), None)


def _preference(quote: Quote) -> tuple[bool, float]:
    return quote.stale, quote.price.usd_per_device_hour


def _first_day(as_of: str) -> date:
    """`2026`, `2026-08` or `2026-08-20`. Raises ValueError for anything else."""
    year, month, day = (*(int(part) for part in as_of.split("-")), 1, 1)[:3]
    return date(year, month, day)
