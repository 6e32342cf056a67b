import numpy as np
import pytest

from paceline.errors import SetupError
from paceline.records.embedding import EmbeddingReading, Vector
from paceline.trial.embeddings import compare_embeddings


def vectors(count: int, seed: int, *, length: int = 16) -> tuple[Vector, ...]:
    drawn = np.random.default_rng(seed).normal(size=(count, length))
    return tuple(tuple(float(value) for value in row) for row in drawn)


def moved(reading: EmbeddingReading, by: float) -> EmbeddingReading:
    rng = np.random.default_rng(9)

    def move(found: tuple[Vector, ...]) -> tuple[Vector, ...]:
        noise = rng.normal(size=(len(found), len(found[0]))) * by
        return tuple(tuple(float(v) for v in row) for row in np.asarray(found) + noise)

    return EmbeddingReading(documents=move(reading.documents), queries=move(reading.queries))


BASE = EmbeddingReading(documents=vectors(60, 1), queries=vectors(20, 2))


def test_equal_embeddings_agree_wholly() -> None:
    found = compare_embeddings(BASE, BASE)
    assert (found.overlap, found.queries, found.documents, found.nearest) == (1.0, 20, 60, 10)
    assert found.mean_cosine == pytest.approx(1.0)


def test_length_does_not_matter_but_direction_does() -> None:
    longer = EmbeddingReading(
        documents=tuple(tuple(3 * v for v in one) for one in BASE.documents), queries=BASE.queries
    )
    assert compare_embeddings(longer, BASE).overlap == 1.0


def test_more_noise_is_less_agreement() -> None:
    found = [compare_embeddings(moved(BASE, by), BASE) for by in (0.05, 0.3, 1.5)]
    overlaps = [one.overlap for one in found]
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[0] > 0.9
    assert overlaps[2] < 0.6
    cosines = [one.mean_cosine or 0.0 for one in found]
    assert cosines == sorted(cosines, reverse=True)
    assert all((one.least_cosine or 0.0) <= (one.mean_cosine or 0.0) for one in found)


def test_the_interval_holds_the_overlap() -> None:
    found = compare_embeddings(moved(BASE, 0.3), BASE)
    assert found.overlap_ci95 is not None
    assert found.overlap_ci95.lo <= found.overlap <= found.overlap_ci95.hi


def test_vectors_of_another_length_compare_as_rankings_only() -> None:
    shorter = EmbeddingReading(documents=vectors(60, 1, length=8), queries=vectors(20, 2, length=8))
    found = compare_embeddings(shorter, BASE)
    assert found.mean_cosine is None
    assert 0.0 < found.overlap < 0.6


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_vector_without_direction_is_told(value: float) -> None:
    broken = EmbeddingReading(documents=((value,) * 16, *BASE.documents[1:]), queries=BASE.queries)
    with pytest.raises(SetupError, match="no direction"):
        compare_embeddings(broken, BASE)
