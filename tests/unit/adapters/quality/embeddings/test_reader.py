import json
from collections.abc import Callable

import httpx
import pytest

from paceline.adapters.quality.embeddings.reader import BATCH, OpenAiEmbeddings
from paceline.adapters.quality.embeddings.texts import documents, queries
from paceline.errors import SetupError
from paceline.records.embedding import EmbeddingReading
from paceline.records.load import Target

TARGET = Target(base_url="http://engine/", model="m", api_key="secret")


def read(handler: Callable[[httpx.Request], httpx.Response]) -> EmbeddingReading:
    reader = OpenAiEmbeddings(transport=httpx.MockTransport(handler))
    return reader.read(TARGET, concurrency=2)


def lengths(request: httpx.Request) -> httpx.Response:
    """A vector that tells its text: its length; answered in reverse order."""
    texts = json.loads(request.content)["input"]
    data = [{"index": n, "embedding": [len(text), 1]} for n, text in enumerate(texts)]
    return httpx.Response(200, json={"data": data[::-1]})


def test_every_text_gets_its_own_vector() -> None:
    found = read(lengths)
    assert found.documents == tuple((float(len(text)), 1.0) for text in documents())
    assert found.queries == tuple((float(len(text)), 1.0) for text in queries())


def test_asks_in_batches_with_the_key() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return lengths(request)

    read(handler)
    sizes = [len(json.loads(request.content)["input"]) for request in seen]
    assert sum(sizes) == len(documents()) + len(queries())
    assert max(sizes) == BATCH
    assert str(seen[0].url) == "http://engine/v1/embeddings"
    assert seen[0].headers["authorization"] == "Bearer secret"


def test_the_texts_differ() -> None:
    texts = (*documents(), *queries())
    assert len(set(texts)) == len(texts) >= 100


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(404, text="no such route"), "HTTP 404: no such route"),
        (httpx.Response(200, text="<html>"), "<html>"),
        (httpx.Response(200, json={"data": []}), "12 texts, 0 vectors"),
        (
            httpx.Response(
                200,
                json={"data": [{"index": n, "embedding": [1] * (1 + n % 2)} for n in range(12)]},
            ),
            "12 vectors of lengths",
        ),
    ],
)
def test_an_endpoint_that_does_not_embed_is_told(answer: httpx.Response, why: str) -> None:
    with pytest.raises(SetupError, match="no embeddings") as caught:
        read(lambda _request: answer)
    assert why in caught.value.why


def test_vectors_whose_length_changes_between_batches_are_told() -> None:
    asked: list[httpx.Request] = []

    def growing(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        vector = [1.0] * (2 if len(asked) > 1 else 3)
        data = [{"index": n, "embedding": vector} for n in range(BATCH)]
        return httpx.Response(200, json={"data": data})

    with pytest.raises(SetupError) as caught:
        read(growing)
    assert caught.value.why == "vectors of lengths [2, 3]"


def test_numbers_that_are_none_are_told() -> None:
    huge = httpx.Response(
        200, text=json.dumps({"data": [{"index": 0, "embedding": [10**400]}] * BATCH})
    )
    with pytest.raises(SetupError, match="no embeddings"):
        read(lambda _request: huge)


def test_an_endpoint_that_is_not_there_is_told() -> None:
    def gone(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(SetupError, match="endpoint-unreachable"):
        read(gone)
