"""Two endpoints' embeddings of the same texts compared: as rankings, and vector by vector. Pure."""

from typing import Final

import numpy as np
import numpy.typing as npt

from paceline.errors import Code, SetupError
from paceline.records.embedding import EmbeddingFidelity, EmbeddingReading, Vector
from paceline.records.measurement import Interval
from paceline.stats import mean_bounds

Floats = npt.NDArray[np.float64]

NEAREST: Final = 10


def compare_embeddings(variant: EmbeddingReading, baseline: EmbeddingReading) -> EmbeddingFidelity:
    """Both readings are of the same texts. Raises SetupError for a vector of length zero."""
    mine, base = _ranked(variant), _ranked(baseline)
    overlaps = [
        len(set(ours) & set(theirs)) / len(theirs) for ours, theirs in zip(mine, base, strict=True)
    ]
    bounds = mean_bounds(overlaps)
    cosines = _cosines(variant, baseline)
    return EmbeddingFidelity(
        nearest=min(NEAREST, len(baseline.documents)),
        queries=len(baseline.queries),
        documents=len(baseline.documents),
        overlap=float(np.mean(overlaps)),
        overlap_ci95=(Interval(lo=max(bounds.lo, 0.0), hi=min(bounds.hi, 1.0)) if bounds else None),
        mean_cosine=None if cosines is None else float(cosines.mean()),
        least_cosine=None if cosines is None else float(cosines.min()),
    )


def _ranked(reading: EmbeddingReading) -> list[list[int]]:
    """The nearest documents of each query by cosine; equal ones by their place."""
    similar = _unit(reading.queries) @ _unit(reading.documents).T
    order = np.argsort(-similar, axis=1, kind="stable")[:, :NEAREST]
    return [[int(place) for place in row] for row in order]


def _cosines(variant: EmbeddingReading, baseline: EmbeddingReading) -> Floats | None:
    mine = _unit((*variant.documents, *variant.queries))
    base = _unit((*baseline.documents, *baseline.queries))
    if mine.shape != base.shape:
        return None
    cosines: Floats = np.clip((mine * base).sum(axis=1), -1.0, 1.0)
    return cosines


def _unit(vectors: tuple[Vector, ...]) -> Floats:
    values = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise SetupError(
            Code.ENDPOINT_FAILED,
            "an embedding has no direction",
            why="a vector is all zeros or not finite; every text must have a length above 0",
            fix="look at the endpoint's log: the weights or the precision may be broken",
        )
    unit: Floats = values / lengths
    return unit
