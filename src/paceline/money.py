"""Price × time → cost. Formulas as in `docs/concepts/metrics.md`."""

from paceline.units import Seconds, Usd

SECONDS_PER_HOUR = 3600.0
HOURS_PER_MONTH = 730.0  # 8,760 h / 12


def usd_per_million_tokens(price_usd_per_hour: float, output_tokens_per_s: float) -> Usd | None:
    """`price ÷ 3600 ÷ output tokens/s × 1e6`; `None` when nothing was produced."""
    if output_tokens_per_s <= 0:
        return None
    return Usd(price_usd_per_hour / SECONDS_PER_HOUR / output_tokens_per_s * 1e6)


def usd_per_request(price_usd_per_hour: float, requests_per_s: float) -> Usd | None:
    """`price ÷ 3600 ÷ requests/s`; `None` when nothing was answered."""
    if requests_per_s <= 0:
        return None
    return Usd(price_usd_per_hour / SECONDS_PER_HOUR / requests_per_s)


def usd_per_month(price_usd_per_hour: float) -> Usd:
    """One deployment always on, whatever its traffic: `price × 730 h`."""
    return Usd(price_usd_per_hour * HOURS_PER_MONTH)


def usd_for(seconds: float, price_usd_per_hour: float) -> Usd:
    """What so much time costs: `seconds ÷ 3600 × price`."""
    return Usd(seconds / SECONDS_PER_HOUR * price_usd_per_hour)


def seconds_for(usd: float, price_usd_per_hour: float) -> Seconds:
    """How long the money lasts: `usd ÷ price × 3600`; `price_usd_per_hour` above 0."""
    return Seconds(usd / price_usd_per_hour * SECONDS_PER_HOUR)
