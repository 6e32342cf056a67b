"""Combinations of changed knobs near the leaders."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from paceline.records.race import Standing
from paceline.records.variant import Variant


def combined(
    standings: Sequence[Standing], planned: Sequence[Variant], *, level: float
) -> tuple[Variant, ...]:
    """Unions of the changes of two variants, near those whose score comes up to `level`.

    Parts are of the same accelerator, engine and format as such a leader and change different
    knobs; each is measured and up to `level` itself, or not measured yet, for two gains too small
    to be worth a launch may be worth one together. Whether a union is launched is for its guess
    to say. Unions of unions follow when those were measured.
    """
    measured = {standing.variant for standing in standings}
    good = [s.variant for s in standings if s.score is not None and s.score >= level]
    near = {plain(variant) for variant in good}
    parts = [*good, *(v for v in planned if v not in measured and plain(v) in near)]
    found = [
        union
        for one, other in combinations(sorted(set(parts), key=lambda v: v.id), 2)
        if (union := _union(one, other)) is not None
    ]
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
