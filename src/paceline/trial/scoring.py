"""From replies to a composite: the grader, its interval, and scoring stored answers again.

Covers the weighting and the re-scoring that `paceline verify` relies on. How one reply is marked is
in `scorers`, the comparison with a baseline in the ranking stage.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from paceline.errors import CandidateError, Code, SpecError
from paceline.ports.quality import ProgramScorer
from paceline.records.measurement import Interval
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityResult,
    Reply,
    Scorer,
    Stopped,
    Suite,
)
from paceline.trial.scorers import is_right

_Z95: Final = 1.959963984540054  # standard normal, 97.5th percentile


class SuiteGrader:
    """Marks replies by the rules of `scorers`; runs the user's own scorer when there is one."""

    def __init__(self, program: ProgramScorer | None = None) -> None:
        self._program = program

    def grade(self, item: Item, reply: Reply) -> ItemScore:
        """0 or 1, or what the user's scorer says; a missing reply is 0 with its error."""
        if reply.error is not None:
            return _scored(item, reply, 0.0)
        if item.scorer is not Scorer.PYTHON:
            return _scored(item, reply, float(is_right(item, reply)))
        if self._program is None:
            raise ValueError(f"item {item.item_id!r} needs a program scorer and none was given")
        try:
            return _scored(item, reply, self._program.score(item, reply))
        except CandidateError as error:
            return _scored(item, reply, 0.0, error=f"scorer: {error.what}: {error.why}")

    def summarize(
        self, suite: Suite, scores: Sequence[ItemScore], *, stopped: Stopped | None
    ) -> QualityResult:
        """See `summarize`."""
        return summarize(suite, scores, stopped=stopped)


def summarize(
    suite: Suite, scores: Sequence[ItemScore], *, stopped: Stopped | None = None
) -> QualityResult:
    """The composite over `scores`, in the order of the suite.

    `score` = Σ over categories of share × weighted mean. Shares are the suite's weights over the
    categories that were answered, or else the sum of item weights. The interval is Wilson's with
    Kish's effective number of items, (Σw)² ÷ Σw².
    """
    by_id = {score.item_id: score for score in scores}
    asked = [(item, by_id[item.item_id]) for item in suite.items if item.item_id in by_id]
    items = [item for item, _ in asked]
    shares = _shares(suite, items)
    by_category = {category: _category_mean(category, asked) for category in shares}
    composite = math.fsum(shares[category] * mean for category, mean in by_category.items())
    return QualityResult(
        suite=suite.name,
        suite_sha256=suite.sha256,
        items=tuple(scored for _, scored in asked),
        score=composite,
        by_category=by_category,
        ci95=_wilson(composite, item_shares(suite, items)),
        weights=shares,
        stopped=stopped,
    )


def rescore(suite: Suite, stored: QualityResult) -> QualityResult:
    """The result that the stored answers give now; equal to `stored` unless one was edited.

    Scores of the user's own program are kept as they were given: only marking by rules can be
    repeated here. Raises SpecError when the suite is not the one that was asked.
    """
    require_same_suite(suite, stored)
    by_id = {item.item_id: item for item in suite.items}
    scores = [_rescored(by_id[score.item_id], score) for score in stored.items]
    return summarize(suite, scores, stopped=stored.stopped)


def require_same_suite(suite: Suite, stored: QualityResult) -> None:
    """Raises SpecError when `stored` answers another suite, or items that this one lacks."""
    if suite.sha256 != stored.suite_sha256:
        raise SpecError(
            Code.SUITE_CHANGED,
            f"the suite {suite.name!r} is not the one that was answered",
            why=f"its items hash to {suite.sha256[:16]}, the answers are to "
            f"{stored.suite_sha256[:16]}",
            fix="use the suite of that hash, or ask again with this one",
        )
    known = {item.item_id for item in suite.items}
    foreign = [score.item_id for score in stored.items if score.item_id not in known]
    if foreign:
        raise SpecError(
            Code.SUITE_CHANGED,
            f"{len(foreign)} stored answers belong to no item of {suite.name!r}",
            why=f"the suite has {len(known)} items and none called {foreign[0]!r}",
            fix="restore the stored answers, or ask again",
        )


def _rescored(item: Item, stored: ItemScore) -> ItemScore:
    reply = Reply(
        text=stored.answer,
        earlier=stored.earlier,
        finish_reason=stored.finish_reason,
        error=stored.error,
    )
    if item.scorer is Scorer.PYTHON:
        return stored
    return _scored(item, reply, 0.0 if reply.error else float(is_right(item, reply)))


def _scored(item: Item, reply: Reply, score: float, *, error: str | None = None) -> ItemScore:
    return ItemScore(
        item_id=item.item_id,
        category=item.category,
        score=score,
        answer=reply.text,
        error=error or reply.error,
        earlier=reply.earlier,
        finish_reason=reply.finish_reason,
        weight=item.weight,
    )


def _category_mean(category: str, asked: Sequence[tuple[Item, ItemScore]]) -> float:
    """Weighted mean of the scores in one category, in which there is at least one."""
    own = [(item.weight, scored.score) for item, scored in asked if item.category == category]
    return math.fsum(weight * score for weight, score in own) / math.fsum(w for w, _ in own)


def _shares(suite: Suite, items: Sequence[Item]) -> Mapping[str, float]:
    """Each answered category's share of the composite; they sum to 1."""
    sums = _sums(items)
    if suite.weights is not None:
        sums = {category: suite.weights[category] for category in sums}
    total = math.fsum(sums.values())
    return {category: value / total for category, value in sums.items()}


def item_shares(suite: Suite, items: Sequence[Item]) -> list[float]:
    """Each item's share of the composite over these items; they sum to 1."""
    shares, sums = _shares(suite, items), _sums(items)
    return [shares[item.category] * item.weight / sums[item.category] for item in items]


def _sums(items: Sequence[Item]) -> dict[str, float]:
    """The weight of each category's items."""
    sums: dict[str, float] = {}
    for item in items:
        sums[item.category] = sums.get(item.category, 0.0) + item.weight
    return sums


def _wilson(score: float, shares: Sequence[float]) -> Interval | None:
    """Wilson's score interval for a weighted share (Wilson 1927; effective n after Kish 1965)."""
    if not shares:
        return None
    n = 1.0 / math.fsum(share * share for share in shares)
    score = min(max(score, 0.0), 1.0)
    z2 = _Z95 * _Z95
    centre = (score + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(score * (1 - score) / n + z2 / (4 * n * n))
    # At the ends the formula gives the end itself but for rounding.
    lo = centre - half if score > 0 else 0.0
    hi = centre + half if score < 1 else 1.0
    return Interval(lo=max(lo, 0.0), hi=min(hi, 1.0))
