"""The EmbeddingReader port: vectors of fixed texts from an endpoint."""

from typing import Protocol

from paceline.records.embedding import EmbeddingReading
from paceline.records.load import Target


class EmbeddingReader(Protocol):
    """Embeds the texts that come with it."""

    def read(self, target: Target, *, concurrency: int) -> EmbeddingReading:
        """The vectors of all texts.

        Raises SetupError when the endpoint does not answer with one vector per text.
        """
        ...
