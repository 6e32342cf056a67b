"""What an hour on each accelerator of this machine costs, where the user gave no one price."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from paceline.errors import SpecError
from paceline.plan.facts import tables
from paceline.plan.survey.pricing import Quote, Quotes, quotes, usual
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.request import DevicePrice, Request
from paceline.records.variant import Variant

USD_PER_VCPU_HOUR: Final = 0.0513
"""AWS c7a (EPYC Zen 4) on demand, us-east-1: c7a.xlarge $0.2053/h ÷ 4 vCPU; list price of 2025."""


def local_prices(
    own: Sequence[DevicePrice], accelerators: Iterable[Accelerator], today: date
) -> tuple[DevicePrice, ...]:
    """A stand-in for devices of one's own: what renting their like costs.

    `own` wins over the tables, by the name that an accelerator has here or in the tables. What
    neither knows is left out.
    """
    said = {price.accelerator: price for price in own}
    known = quotes(tables.prices(), today)
    found = (_price(place, said, known) for place in accelerators)
    return tuple(price for price in found if price is not None)


def quoted(quote: Quote, accelerator: str) -> DevicePrice:
    """A row of a price table as the price of an accelerator, with where it is from."""
    row = quote.price
    return DevicePrice(
        accelerator=accelerator,
        usd_per_hour=row.usd_per_device_hour,
        source=f"{row.provider} {row.market}, {row.as_of} ({row.source})",
    )


def dearest(request: Request, variants: Iterable[Variant]) -> float | None:
    """USD per hour of the variant that costs most; `None` where one has no price."""
    hourly = [request.usd_per_hour(variant) for variant in variants]
    known = [usd for usd in hourly if usd is not None]
    return max(known) if known and len(known) == len(hourly) else None


def _price(place: Accelerator, own: Mapping[str, DevicePrice], known: Quotes) -> DevicePrice | None:
    kind = _kind(place)
    said = own.get(place.name) or own.get(kind)
    if said is not None:
        return replace(said, accelerator=place.name)
    if place.kind is AcceleratorKind.CPU:
        return None if place.cores is None else _processor(place.name, place.cores)
    quote = usual(known.get(kind))
    return None if quote is None else quoted(quote, place.name)


def _kind(place: Accelerator) -> str:
    """What the tables call it, where they know it."""
    try:
        return tables.device(place.name).name
    except SpecError:
        return place.name


def _processor(name: str, cores: int) -> DevicePrice:
    return DevicePrice(
        accelerator=name,
        usd_per_hour=USD_PER_VCPU_HOUR * cores,
        source=f"{cores} vCPU x ${USD_PER_VCPU_HOUR}/h (AWS c7a on demand, 2025)",
    )
