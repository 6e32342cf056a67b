"""Combinations of changed knobs near the leaders, proposed once their parts were measured."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from paceline.records.race import Standing
from paceline.records.variant import Variant


def combined(standings: Sequence[Standing], *, bar: float) -> tuple[Variant, ...]:
    """Unions of the changes of two measured variants that both come up to `bar`.

    Only changes that do not hurt are put together: a sum of two losses needs no launch. Parts
    are of the same accelerator, engine and format and change different knobs. Unions of unions
    follow when those were measured, so that three knobs meet only if their pairs did well.
    """
    good = [s.variant for s in standings if s.score is not None and s.score >= bar]
    found = [
        union
        for one, other in combinations(sorted(good, key=lambda v: v.id), 2)
        if (union := _union(one, other)) is not None
    ]
    measured = {standing.variant for standing in standings}
    return tuple(variant for variant in dict.fromkeys(found) if variant not in measured)


def plain(variant: Variant) -> Variant:
    """The same without any change of knobs and without speculation."""
    return replace(variant, knobs=(), speculation=None)


def _union(one: Variant, other: Variant) -> Variant | None:
    if plain(one) != plain(other) or (one.speculation and other.speculation):
        return None
    names = {name for name, _ in one.knobs} & {name for name, _ in other.knobs}
    union = replace(
        one,
        knobs=tuple(sorted({*one.knobs, *other.knobs})),
        speculation=one.speculation or other.speculation,
    )
    return None if names or union in (one, other) else union
