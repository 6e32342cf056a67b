"""Embeddings: which engines make them, and the EmbeddingReader port, vectors of fixed texts."""

from typing import Protocol, runtime_checkable

from paceline.records.embedding import EmbeddingReading
from paceline.records.load import Target
from paceline.records.model import Model


@runtime_checkable
class CanEmbed(Protocol):
    """An engine whose server embeds texts beside what else it does."""

    def embeds(self, model: Model) -> bool:
        """Whether it answers `/v1/embeddings` as this model is launched."""
        ...


class EmbeddingReader(Protocol):
    """Embeds the texts that come with it."""

    def read(self, target: Target, *, concurrency: int) -> EmbeddingReading:
        """The vectors of all texts.

        Raises SetupError when the endpoint does not answer with one vector per text.
        """
        ...
