"""Tells a broken image variant by its first pictures, before its speed is measured.

A weak model paints badly; a broken one paints nothing: black (which NaN becomes), one colour, bytes
that are no picture, or pictures in which nothing is left of what the baseline shows. Small damage
is not found here but by the comparison with the baseline.
"""

from collections.abc import Sequence
from typing import Final

from paceline.ports.quality import StopRule
from paceline.records.quality import ItemScore, QualityResult, StopCause, Stopped, Suite

FIRST: Final = 6
"""Fewest scores that a judgement rests on, or all of a smaller suite."""

LAST: Final = 60
BROKEN_SHARE: Final = 0.75
COLLAPSED_RATIO: Final = 0.25
SOUND_BASELINE: Final = 0.5
"""As for texts (`trial.garbage`): of the first scores, and of the baseline's on the same items."""


def picture_garbage_rule(suite: Suite, baseline: QualityResult | None = None) -> StopRule:
    """The rule that ends a suite whose first pictures are garbage.

    `baseline` answers the same suite; with it, a collapse of the score counts too.
    """
    first = min(FIRST, len(suite.items))
    reference = {} if baseline is None else {score.item_id: score for score in baseline.items}

    def rule(scores: Sequence[ItemScore]) -> Stopped | None:
        if not first <= len(scores) <= LAST:
            return None
        because = _broken(scores) or _collapsed(scores, reference)
        return Stopped(cause=StopCause.GARBAGE, because=because) if because else None

    return rule


def _broken(scores: Sequence[ItemScore]) -> str | None:
    errors = [score.error for score in scores if score.error is not None]
    if len(errors) < BROKEN_SHARE * len(scores):
        return None
    return f"{len(errors)} of the first {len(scores)} pictures are none ({errors[0]})"


def _collapsed(scores: Sequence[ItemScore], reference: dict[str, ItemScore]) -> str | None:
    shared = [score for score in scores if score.item_id in reference]
    if len(shared) < FIRST:
        return None
    was = sum(reference[score.item_id].score for score in shared)
    now = sum(score.score for score in shared)
    if was < SOUND_BASELINE * len(shared) or now > COLLAPSED_RATIO * was:
        return None
    return (
        f"the first {len(shared)} scores sum to {now:.1f}, the baseline's to {was:.1f}: less than"
        f" {COLLAPSED_RATIO:.0%} is left"
    )
