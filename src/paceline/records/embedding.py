"""Vectors of an embeddings endpoint, and how far one endpoint's are from another's."""

from dataclasses import dataclass

from paceline.records.measurement import Interval

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingReading:
    """The vectors of the same texts, in order: documents first, then queries."""

    documents: tuple[Vector, ...]
    queries: tuple[Vector, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingFidelity:
    """A variant's embeddings against the baseline's.

    `overlap` is the mean share of the `nearest` documents of a query that both agree on: what a
    search would notice. `mean_cosine` compares the two vectors of each text; `None` when they
    have different lengths, which makes vectors incomparable but not rankings.
    """

    nearest: int
    queries: int
    documents: int
    overlap: float
    overlap_ci95: Interval | None
    mean_cosine: float | None
    least_cosine: float | None
