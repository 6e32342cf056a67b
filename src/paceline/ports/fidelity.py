"""The DistributionReader port: next-token distributions from an endpoint."""

from collections.abc import Sequence
from typing import Protocol

from paceline.records.fidelity import FidelityReading, Reading
from paceline.records.load import Target


class DistributionReader(Protocol):
    """Reads what an endpoint expects next, over given texts and after given prompts."""

    def read(
        self,
        target: Target,
        *,
        prompts: Sequence[str],
        concurrency: int,
        reading: Reading | None = None,
    ) -> FidelityReading:
        """The fixed texts and the prompts, read in the best way that the endpoint offers.

        `reading` asks for one way, so that two endpoints are read alike. An endpoint that gives
        no log probabilities is no error: the answer says so.
        """
        ...
