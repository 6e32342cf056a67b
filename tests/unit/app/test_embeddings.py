import pytest

from paceline.app import embeddings
from paceline.app.embeddings import embeddings_document, examine_embeddings
from paceline.app.evaluate import EvalRequest
from paceline.errors import SpecError
from paceline.records.embedding import EmbeddingReading
from paceline.records.load import Target

GOOD, BAD = Target(base_url="http://good", model="m"), Target(base_url="http://bad", model="n")


class Reader:
    """Two documents that `bad` has the wrong way round."""

    def read(self, target: Target, *, concurrency: int) -> EmbeddingReading:
        axes = ((1.0, 0.0), (0.0, 1.0))
        documents = axes if target == GOOD else axes[::-1]
        return EmbeddingReading(documents=documents, queries=((1.0, 0.1),))


def test_compares_two_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "adapter", lambda _kind, _name: Reader)
    request = EvalRequest(target=BAD, suite="", against=GOOD)
    found = examine_embeddings(request)
    assert found.overlap == 1.0  # both documents are among the two nearest
    assert found.least_cosine == pytest.approx(0.0)
    document = embeddings_document(request, found)
    assert document["against"] == {"url": "http://good", "model": "m"}


def test_one_endpoint_alone_is_refused() -> None:
    with pytest.raises(SpecError, match="--against"):
        examine_embeddings(EvalRequest(target=BAD, suite=""))
