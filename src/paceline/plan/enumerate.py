"""The variants that could exist, in a stable order.

Covers engines × formats × one changed knob or one kind of speculation at a time. Combinations of
changes are left to a search that has measurements to go by.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from paceline.records.hardware import Accelerator
from paceline.records.variant import Knob, Scalar, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOffer:
    """What the planner has to know of one engine, as data.

    `formats` has the engine's unquantized format first. `missing` says why it cannot be used
    on this machine now (with the command that mends it), `None` when it can.
    """

    name: str
    formats: tuple[str, ...]
    knobs: tuple[Knob, ...]
    missing: str | None = None
    speculations: tuple[str, ...] = ()
    unverified: bool = False


def enumerate_variants(
    offers: Sequence[EngineOffer], accelerators: Sequence[Accelerator]
) -> tuple[Variant, ...]:
    """Every engine × format at default knobs first, then each with one knob changed, then each
    with speculation.

    The order follows the arguments, so that the same request gives the same plan.
    """
    plain = unchanged(offers, accelerators)
    knobs = {offer.name: offer.knobs for offer in offers}
    turned = [
        _with_knob(variant, name, value)
        for variant in plain
        for name, value in _alternatives(knobs[variant.engine])
    ]
    guessing = {offer.name: offer.speculations for offer in offers}
    speculative = [
        replace(variant, speculation=method)
        for variant in plain
        for method in guessing[variant.engine]
    ]
    return (*plain, *turned, *speculative)


def unchanged(offers: Sequence[EngineOffer], accelerators: Sequence[Accelerator]) -> list[Variant]:
    """Every engine × format on every accelerator, at default knobs."""
    return [
        Variant(
            accelerator=place.name,
            count=1,
            format=format_,
            engine=offer.name,
            unverified=offer.unverified,
        )
        for place in accelerators
        for offer in offers
        for format_ in offer.formats
    ]


def _alternatives(knobs: Iterable[Knob]) -> Iterator[tuple[str, Scalar]]:
    for knob in knobs:
        for value in knob.values[1:]:
            yield knob.name, value


def _with_knob(variant: Variant, name: str, value: Scalar) -> Variant:
    return replace(variant, knobs=((name, value),))
