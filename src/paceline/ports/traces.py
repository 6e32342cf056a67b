"""The TraceSink port: where spans go."""

from collections.abc import Sequence
from typing import Protocol

from paceline.records.span import Span


class TraceSink(Protocol):
    """Takes spans and passes them on in its own time."""

    def take(self, spans: Sequence[Span]) -> None:
        """Never waits and never raises: what cannot be passed on is dropped, and it says so."""
        ...

    def close(self) -> None:
        """Pass on what is left, for a few seconds at most."""
        ...
