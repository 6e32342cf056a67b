"""What a run is going to try, and what it is not."""

from dataclasses import dataclass

from paceline.records.variant import Rejection, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every variant that could exist is in one of the two lists.

    `baseline` is the first of `variants`: measured first, always.
    """

    baseline: Variant
    variants: tuple[Variant, ...]
    rejected: tuple[Rejection, ...]
