"""Answers to a suite and what they are worth."""

from collections.abc import Mapping
from dataclasses import dataclass

from paceline.records.measurement import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """One item answered: `score` is 0–1; `answer` is the model's text, kept for re-scoring."""

    item_id: str
    category: str
    score: float
    answer: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityResult:
    """A suite asked once. `suite_sha256` pins the items; results compare only on equal hashes."""

    suite: str
    suite_sha256: str
    items: tuple[ItemScore, ...]
    score: float
    by_category: Mapping[str, float]
    ci95: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityComparison:
    """A variant against the baseline on the same items.

    `ratio` is variant ÷ baseline with its paired-bootstrap interval; `lost` and `gained` list
    the items that flipped; `p_value` is McNemar's exact two-sided test.
    """

    ratio: float
    ratio_ci95: Interval
    difference: float
    difference_ci95: Interval
    p_value: float
    lost: tuple[str, ...]
    gained: tuple[str, ...]
