"""What would help when nothing passes: which constraint binds, and the price of relaxing it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from paceline.rank.choose import Candidate
from paceline.rank.filter import Judgement, shown
from paceline.records.measurement import Verdict
from paceline.records.ranking import Advice
from paceline.records.request import Comparison, Constraint
from paceline.records.variant import Variant

_LIMIT_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Price:
    """A limit, and the variant that passes once it is given."""

    limit: Constraint
    variant: Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relaxation:
    """What lifting one constraint alone would do: how many it frees, and the nearest of them.

    `admits` is the cheapest that its limit could be relaxed to, for a variant that surely meets
    everything else; `None` where there is none.
    """

    constraint: Constraint
    freed: int
    nearest: Candidate
    judgement: Judgement
    admits: _Price | None


def advise(
    candidates: Sequence[Candidate], foretold: Sequence[Candidate] = ()
) -> tuple[Advice, ...]:
    """Empty when something passes or nothing was measured; else the binding constraint first.

    The binding constraint is the one that is the only failure of the most variants; between
    equals, the one that needs the smallest relaxation. `foretold` were not measured because their
    predictions miss a limit; the nearest is named when it comes nearer than all `candidates`.
    """
    if not candidates or any(c.standing is Verdict.PASS for c in candidates):
        return ()
    advice = [*_unresolved(candidates)]
    found = sorted(_relaxations(candidates), key=lambda r: (-r.freed, _miss(r.judgement)))
    if not found:
        advice += _together(candidates)
    for place, relaxation in enumerate(found):
        advice.append(_price(relaxation, binds=place == 0, of=len(candidates)))
    return (*advice, *_foretold(candidates, foretold))


def _unresolved(candidates: Sequence[Candidate]) -> list[Advice]:
    open_ones = [c for c in candidates if c.standing is Verdict.UNRESOLVED]
    return [
        Advice(
            text=f"{c.variant.label} fails nothing but is unresolved: {_doubts(c)}; "
            f"a longer window or another launch can settle it",
            nearest_variant=c.variant.id,
        )
        for c in open_ones[:1]
    ]


def _doubts(candidate: Candidate) -> str:
    texts = [
        f"`{verdict.constraint.text}` ({verdict.because})"
        for verdict in candidate.verdicts_that(Verdict.UNRESOLVED)
    ]
    return "; ".join(texts) or candidate.doubt or ""


def _relaxations(candidates: Sequence[Candidate]) -> list[_Relaxation]:
    found = []
    for index, judged in enumerate(candidates[0].judgements):
        freed = [c for c in candidates if _only_misses(c, index)]
        if not freed:
            continue
        nearest = min(freed, key=lambda c: (_miss(c.judgements[index]), c.variant.id))
        found.append(
            _Relaxation(
                constraint=judged.verdict.constraint,
                freed=len(freed),
                nearest=nearest,
                judgement=nearest.judgements[index],
                admits=_cheapest(candidates, index),
            )
        )
    return found


def _cheapest(candidates: Sequence[Candidate], index: int) -> _Price | None:
    """The least relaxation of one limit at which some variant passes, by whole intervals."""
    prices = [
        _Price(limit=limit, variant=c.variant)
        for c in candidates
        if _sound(c, index)
        and all(
            judgement.verdict.verdict is Verdict.PASS
            for i, judgement in enumerate(c.judgements)
            if i != index
        )
        and (limit := limit_that_passes(c.judgements[index])) is not None
    ]
    if not prices:
        return None
    less = prices[0].limit.comparison.wants_less
    return min(prices, key=lambda p: (p.limit.limit if less else -p.limit.limit, p.variant.id))


def _sound(candidate: Candidate, index: int) -> bool:
    """Whether the figure behind a judgement can be trusted: under a doubt about the load, what is
    judged at all (memory, quality) can."""
    failed = candidate.judgements[index].verdict.verdict is Verdict.FAIL
    return candidate.doubt is None or failed


def _only_misses(candidate: Candidate, index: int) -> bool:
    """Whether the candidate fails this constraint and no other."""
    return [j.verdict.verdict is Verdict.FAIL for j in candidate.judgements] == [
        i == index for i in range(len(candidate.judgements))
    ]


def _miss(judgement: Judgement) -> float:
    margin = judgement.verdict.margin
    return math.inf if margin is None else -margin


def _price(relaxation: _Relaxation, *, binds: bool, of: int) -> Advice:
    constraint = relaxation.constraint
    reach = f"{relaxation.freed} of {of} variants fail nothing else"
    nearest = f"nearest is {relaxation.nearest.variant.label} with {_have(relaxation.judgement)}"
    text = (
        f"`{constraint.text}` {'binds' if binds else 'alone also keeps variants out'}: "
        f"{reach}; {nearest}"
    )
    admits = relaxation.admits
    if admits is None:
        needed = limit_that_passes(relaxation.judgement)
        open_ones = "" if needed is None else f"; `{needed.text}` would be met, others stay open"
        return Advice(
            text=text + open_ones,
            constraint=constraint.text,
            nearest_variant=relaxation.nearest.variant.id,
        )
    change = admits.limit.limit / constraint.limit - 1 if constraint.limit else None
    by = "" if change is None else f" ({change:+.1%})"
    return Advice(
        text=f"{text}; `{admits.limit.text}` instead of {shown(constraint.limit, constraint)}"
        f"{by} admits {admits.variant.label}",
        constraint=constraint.text,
        nearest_variant=admits.variant.id,
        relaxed=admits.limit.text,
        relaxed_by=change,
    )


def _together(candidates: Sequence[Candidate]) -> tuple[Advice, ...]:
    """No constraint alone decides: the nearest variant and everything that it needs."""
    failing = [c for c in candidates if c.standing is Verdict.FAIL]
    if not failing:
        return ()
    nearest = min(failing, key=lambda c: (_distance(c), c.variant.id))
    needed = [limit_that_passes(j) or j.verdict.constraint for j in _failed(nearest)]
    have = [f"`{j.verdict.constraint.text}` ({_have(j)})" for j in _failed(nearest)]
    return (
        Advice(
            text=f"no single constraint decides; {nearest.variant.label} comes nearest and misses "
            f"{', '.join(have)}; it needs {' and '.join(f'`{c.text}`' for c in needed)}",
            nearest_variant=nearest.variant.id,
        ),
    )


def _foretold(candidates: Sequence[Candidate], foretold: Sequence[Candidate]) -> tuple[Advice, ...]:
    """The nearest by prediction alone, where it is nearer than the nearest that was measured."""
    failing = [c for c in foretold if c.standing is Verdict.FAIL]
    nearest = min(failing, key=lambda c: (_distance(c), c.variant.id), default=None)
    if nearest is None or _distance(nearest) >= min(_distance(c) for c in candidates):
        return ()
    missed = [f"`{j.verdict.constraint.text}` ({_have(j)}{_band(j)})" for j in _failed(nearest)]
    return (
        Advice(
            text=f"predicted, not measured: {nearest.variant.label} comes nearer than what was "
            f"measured and misses {', '.join(missed)}",
            nearest_variant=nearest.variant.id,
        ),
    )


def _band(judgement: Judgement) -> str:
    bounds, constraint = judgement.bounds, judgement.verdict.constraint
    if bounds is None:
        return ""
    return f", 90 % band {shown(bounds.lo, constraint)} to {shown(bounds.hi, constraint)}"


def _distance(candidate: Candidate) -> tuple[int, float]:
    """From meeting every limit: how many it fails, and by how much the worst."""
    return len(_failed(candidate)), candidate.miss


def _failed(candidate: Candidate) -> list[Judgement]:
    return [j for j in candidate.judgements if j.verdict.verdict is Verdict.FAIL]


def _have(judgement: Judgement) -> str:
    verdict = judgement.verdict
    return verdict.because if verdict.value is None else shown(verdict.value, verdict.constraint)


def limit_that_passes(judgement: Judgement) -> Constraint | None:
    """The constraint with the nearest round limit that the measurement meets as a whole.

    `None` when the measurement is not bounded on that side, so that no limit is known to hold.
    """
    constraint, bounds = judgement.verdict.constraint, judgement.bounds
    if bounds is None:
        return None
    edge = bounds.hi if constraint.comparison.wants_less else bounds.lo
    if not math.isfinite(edge) or edge <= 0:
        return None
    unit = 10.0 ** (math.floor(math.log10(edge)) + 1 - _LIMIT_DIGITS)
    steps = edge / unit
    outward = math.ceil(steps) if constraint.comparison.wants_less else math.floor(steps)
    limit = float(f"{outward * unit:.{_LIMIT_DIGITS}g}")
    if not constraint.comparison.holds(edge, limit):
        either = Comparison.AT_MOST if constraint.comparison.wants_less else Comparison.AT_LEAST
        return replace(constraint, limit=edge, comparison=either)
    return replace(constraint, limit=limit)
