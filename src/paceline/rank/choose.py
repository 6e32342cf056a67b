"""The order of the variants: who passes first, then the priority, with ties called ties."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.rank.filter import Judgement, Measured
from paceline.rank.reading import Reading, better
from paceline.records.measurement import Verdict
from paceline.records.ranking import ConstraintVerdict
from paceline.records.variant import Variant
from paceline.stats import Bounds

PLAIN_WORTH: Final = 0.05
"""How far a plainer variant may be behind the best of a tie, as a share of that one's value. Where
launches differ much everything is level with everything, and the plainest of all may be far off."""


LAUNCH_NOISE: Final = 0.02
"""How far launches of one variant lie apart, as a share of the value: published repeats change by a
median 0.9 %, nine in ten by less than 2 %. The interval of a single launch holds nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One measured variant with what decides its place.

    `doubt` tells why its objective cannot be trusted, `None` when it can. `unseen_noise` is that
    between launches as a share of the objective, where it was launched but once.
    """

    measured: Measured
    judgements: tuple[Judgement, ...]
    objective: Reading | None
    cost: Reading | None
    doubt: str | None
    unseen_noise: float = 0.0

    @property
    def variant(self) -> Variant:
        return self.measured.pooled.variant

    def verdicts_that(self, verdict: Verdict) -> list[ConstraintVerdict]:
        """Those of its constraints that came out so, in their order."""
        return [j.verdict for j in self.judgements if j.verdict.verdict is verdict]

    @property
    def standing(self) -> Verdict:
        """Fail with any failed constraint; unresolved when a verdict or the objective is."""
        verdicts = {judgement.verdict.verdict for judgement in self.judgements}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if Verdict.UNRESOLVED in verdicts or self.doubt is not None:
            return Verdict.UNRESOLVED
        return Verdict.PASS

    @property
    def miss(self) -> float:
        """How far it is from meeting its worst failed constraint, as a share of the limit."""
        margins = [verdict.margin for verdict in self.verdicts_that(Verdict.FAIL)]
        return max((math.inf if m is None else -m for m in margins), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A candidate in the order; `tied` are those that its place was contested by."""

    candidate: Candidate
    tied: tuple[Candidate, ...]
    because: str | None


def in_order(candidates: Sequence[Candidate], *, less_is_better: bool) -> list[Place]:
    """Passing first, then unresolved, then failing by how near they came.

    Within the first two: the best objective leads; whoever it does not beat beyond the noise is
    tied with it, and the tie goes to the cheaper, then to the simpler of those whose value is near
    the best one's, then to the better value.
    """
    places: list[Place] = []
    for standing in (Verdict.PASS, Verdict.UNRESOLVED):
        group = [c for c in candidates if c.standing is standing]
        places += _contested(group, less=less_is_better)
    failing = [c for c in candidates if c.standing is Verdict.FAIL]
    failing.sort(key=lambda c: (c.miss, c.variant.id))
    return places + [Place(candidate=c, tied=(), because=None) for c in failing]


def tied_with(place: Place, places: Sequence[Place], *, less_is_better: bool) -> tuple[str, ...]:
    """Ids of equal standing whose objective cannot be told from that of `place`.

    Of who was launched once, not even by the noise between launches.
    """
    own = place.candidate
    return tuple(
        other.candidate.variant.id
        for other in places
        if other is not place
        and other.candidate.standing is own.standing
        and _level(_allowed(own), _allowed(other.candidate), less=less_is_better)
    )


def simplicity(variant: Variant) -> tuple[bool, int]:
    """Smaller is simpler: no speculation before any, then fewer changed knobs."""
    return variant.speculation is not None, len(variant.knobs)


def _contested(group: list[Candidate], *, less: bool) -> list[Place]:
    left = sorted(group, key=lambda c: _by_value(c, less=less))
    places: list[Place] = []
    while left:
        leader = left[0]
        # Level with a noisy leader is not enough: another may surely beat who would win the tie.
        level = [
            c
            for c in left[1:]
            if _level(leader, c, less=less) and not any(_beats(o, c, less=less) for o in left)
        ]
        taken = _from_tie([leader, *level], less=less) if level else leader
        tied = tuple(c for c in (leader, *level) if c is not taken)
        places.append(
            Place(candidate=taken, tied=tied, because=_reason(taken, tied) if tied else None)
        )
        left.remove(taken)
    return places


def _by_value(candidate: Candidate, *, less: bool) -> tuple[bool, float, str]:
    value = candidate.objective
    if value is None:
        return True, 0.0, candidate.variant.id
    return False, value.value if less else -value.value, candidate.variant.id


def _level(one: Candidate, other: Candidate, *, less: bool) -> bool:
    """Neither is better beyond the noise. Who has no objective is not level with who has one."""
    if one.objective is None or other.objective is None:
        return one.objective is other.objective
    return not _beats(one, other, less=less) and not _beats(other, one, less=less)


def _allowed(candidate: Candidate) -> Candidate:
    """With the noise that its launches cannot have shown."""
    found = candidate.objective
    if found is None or found.bounds is None or not candidate.unseen_noise:
        return candidate
    off = 1 + candidate.unseen_noise
    bounds = Bounds(lo=found.bounds.lo / off, hi=found.bounds.hi * off)
    return replace(candidate, objective=replace(found, bounds=bounds))


def _beats(one: Candidate, other: Candidate, *, less: bool) -> bool:
    if one.objective is None or other.objective is None:
        return False
    return better(one.objective, other.objective, less=less)


def _from_tie(tied: list[Candidate], *, less: bool) -> Candidate:
    cheap = [c for c in tied if not any(_cheaper(other, c) for other in tied)]
    best = min(cheap, key=lambda c: _by_value(c, less=less))
    near = [c for c in cheap if _near(c, best, less=less)]
    return min(near, key=lambda c: (simplicity(c.variant), _by_value(c, less=less)))


def _near(one: Candidate, best: Candidate, *, less: bool) -> bool:
    """Whether its value is hardly behind the best one's. Who has no value is near nobody's."""
    if one.objective is None or best.objective is None:
        return one.objective is best.objective
    behind, ahead = one.objective.value, best.objective.value
    return behind * (1 - PLAIN_WORTH) <= ahead if less else behind >= ahead * (1 - PLAIN_WORTH)


def _cheaper(one: Candidate, other: Candidate) -> bool:
    if one.cost is None or other.cost is None:
        return False
    return better(one.cost, other.cost, less=True)


def _reason(taken: Candidate, tied: Sequence[Candidate]) -> str:
    names = ", ".join(c.variant.id for c in tied)
    if any(_cheaper(taken, c) for c in tied):
        rule = "cheaper beyond the noise"
    elif any(simplicity(taken.variant) < simplicity(c.variant) for c in tied):
        rule = "simpler: fewer changed settings"
    else:
        rule = "the better value"
    return f"level with {names} within the noise; placed ahead for being {rule}"
