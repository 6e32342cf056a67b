"""The Inspector port: asking a runtime what it really has inside."""

from typing import Protocol

from paceline.records.image import ImageFacts
from paceline.records.load import Target


class Inspector(Protocol):
    """Reads what a server of ours found in its own modules; flags and names prove nothing."""

    def inspect(self, target: Target) -> ImageFacts:
        """What is inside after the requests so far.

        Raises SetupError when the server does not tell, or tells something else.
        """
        ...
