from dataclasses import replace
from datetime import date

import pytest

from paceline.plan.facts import tables
from paceline.plan.survey.pricing import STALE_AFTER_DAYS, quotes, usual, with_own

TODAY = date(2026, 11, 21)
ROW = next(p for p in tables.prices() if p.accelerator == "L4-24GB" and p.market == "on-demand")


def test_the_cheapest_fresh_price_wins_over_a_cheaper_stale_one() -> None:
    fresh = replace(ROW, usd_per_device_hour=0.8, as_of="2026-11-01")
    stale = replace(ROW, usd_per_device_hour=0.1, as_of="2025")
    dear = replace(ROW, usd_per_device_hour=0.9, as_of="2026-11-02")
    quote = usual(quotes([stale, dear, fresh], TODAY)["L4-24GB"])
    assert quote is not None
    assert quote.price == fresh
    assert not quote.stale


def test_where_all_are_stale_the_cheapest_is_used_and_flagged() -> None:
    quote = usual(quotes([replace(ROW, as_of="2025-03")], TODAY)["L4-24GB"])
    assert quote is not None
    assert quote.stale
    assert quote.age_days == (TODAY - date(2025, 3, 1)).days > STALE_AFTER_DAYS


def test_own_rows_replace_the_same_accelerator_and_market_only() -> None:
    own = replace(ROW, usd_per_device_hour=99.0, as_of="2026-11-21")
    kept = with_own(tables.prices(), [own])
    l4 = quotes(kept, TODAY)["L4-24GB"]
    assert l4["on-demand"].price.usd_per_device_hour == 99.0
    assert l4["spot"].price.usd_per_device_hour < 1.0


def test_markets_are_asked_in_order_or_by_name() -> None:
    markets = quotes(tables.prices(), TODAY)["L4-24GB"]
    assert usual(markets) == markets["on-demand"]
    assert usual(markets, "serverless-flex") == markets["serverless-flex"]
    assert usual({"spot": markets["spot"]}) == markets["spot"]
    assert usual(None) is None
    flex = markets["serverless-flex"]
    assert flex.usd_per_device_second == pytest.approx(flex.price.usd_per_device_hour / 3600)


def test_every_shipped_price_has_a_date_a_source_and_a_known_accelerator() -> None:
    for price in tables.prices():
        assert price.accelerator in tables.devices()
        assert price.source
        assert price.usd_per_device_hour > 0
    quotes(tables.prices(), TODAY)  # every date can be read
