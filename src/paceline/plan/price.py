"""What an hour on an accelerator costs when the user does not say."""

from dataclasses import dataclass
from typing import Final

from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.request import Request
from paceline.units import Usd

USD_PER_VCPU_HOUR: Final = 0.0513
"""AWS c7a (EPYC Zen 4) on demand, us-east-1: c7a.xlarge $0.2053/h ÷ 4 vCPU; list price of 2025."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price with where it comes from."""

    usd_per_hour: Usd
    source: str


def default_price(place: Accelerator) -> Price | None:
    """A stand-in for a machine of one's own: a rented one of its size; `None` if unknown."""
    if place.kind is not AcceleratorKind.CPU or place.cores is None:
        return None
    return Price(
        usd_per_hour=Usd(USD_PER_VCPU_HOUR * place.cores),
        source=f"{place.cores} vCPU x ${USD_PER_VCPU_HOUR}/h (AWS c7a on demand, 2025)",
    )


def hourly_price(request: Request, place: Accelerator, count: int) -> float | None:
    """USD per hour of `count` devices, by the request or by the stand-in; `None` if unknown."""
    own = request.price_usd_per_hour
    if own is None:
        price = default_price(place)
        own = None if price is None else price.usd_per_hour
    return None if own is None else own * count
