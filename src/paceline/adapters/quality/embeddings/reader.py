"""`/v1/embeddings` in batches of texts."""

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx

from paceline.adapters.quality.embeddings.texts import documents, queries
from paceline.errors import Code, SetupError
from paceline.records.embedding import EmbeddingReading, Vector
from paceline.records.load import Route, Target

BATCH: Final = 12
TIMEOUT_S: Final = 120.0
_DETAIL_CHARS: Final = 200


class OpenAiEmbeddings:
    """EmbeddingReader over HTTP. `transport` replaces the network in tests."""

    def __init__(self, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport

    def read(self, target: Target, *, concurrency: int) -> EmbeddingReading:
        """See `EmbeddingReader.read`."""
        wanted, asked = documents(), queries()
        try:
            vectors = asyncio.run(self._read_all(target, (*wanted, *asked), concurrency))
        except* SetupError as group:
            raise group.exceptions[0] from group
        return EmbeddingReading(documents=vectors[: len(wanted)], queries=vectors[len(wanted) :])

    async def _read_all(
        self, target: Target, texts: Sequence[str], concurrency: int
    ) -> tuple[Vector, ...]:
        gate = asyncio.Semaphore(concurrency)  # at most so many requests are in flight
        async with httpx.AsyncClient(timeout=TIMEOUT_S, transport=self._transport) as client:

            async def embed(batch: Sequence[str]) -> list[Vector]:
                async with gate:
                    return await _embed(client, target, batch)

            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(embed(texts[at : at + BATCH]))
                    for at in range(0, len(texts), BATCH)
                ]
        vectors = tuple(vector for task in tasks for vector in task.result())
        lengths = sorted({len(vector) for vector in vectors})
        if len(lengths) > 1:
            raise _failed(target, Code.ENDPOINT_FAILED, f"vectors of lengths {lengths}")
        return vectors


async def _embed(client: httpx.AsyncClient, target: Target, texts: Sequence[str]) -> list[Vector]:
    headers = {"authorization": f"Bearer {target.api_key}"} if target.api_key else {}
    body = {"model": target.model, "input": list(texts), "encoding_format": "float"}
    url = target.base_url.rstrip("/") + Route.EMBEDDINGS
    try:
        response = await client.post(url, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise _failed(target, Code.ENDPOINT_UNREACHABLE, str(error)) from error
    if response.status_code != httpx.codes.OK:
        why = f"HTTP {response.status_code}: {response.text[:_DETAIL_CHARS]}"
        raise _failed(target, Code.ENDPOINT_FAILED, why)
    try:
        data = sorted(response.json()["data"], key=lambda one: one["index"])
        vectors = [tuple(float(value) for value in one["embedding"]) for one in data]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _failed(target, Code.ENDPOINT_FAILED, response.text[:_DETAIL_CHARS]) from error
    if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1:
        why = f"{len(texts)} texts, {len(vectors)} vectors of lengths {sorted(map(len, vectors))}"
        raise _failed(target, Code.ENDPOINT_FAILED, why)
    return vectors


def _failed(target: Target, code: Code, why: str) -> SetupError:
    return SetupError(
        code,
        f"no embeddings from {target.base_url!r}",
        why=why,
        fix="check --model, and that the endpoint serves /v1/embeddings",
    )
