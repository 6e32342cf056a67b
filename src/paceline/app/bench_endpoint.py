"""Whether the endpoint is still there: seen while a load runs, and from its samples afterwards."""

from collections.abc import Callable
from typing import Final

import numpy as np

from paceline.records.load import LoadProgress
from paceline.records.samples import OUTCOMES, Outcome, SampleTable

PATIENCE_S: Final = 5.0
"""A server that restarts within this time is not given up."""
FEWEST_REFUSED: Final = 3


class EndpointWatch:
    """Passes progress on and notices when connections are refused and nothing else happens."""

    def __init__(self, pass_on: Callable[[LoadProgress], None]) -> None:
        self._pass_on = pass_on
        self._ok = 0
        self._refused = 0
        self._since_s: float | None = None
        self.lost = False

    def progress(self, progress: LoadProgress) -> None:
        """Look at one report."""
        self._pass_on(progress)
        refused = progress.failures.get(Outcome.REFUSED.value, 0)
        if progress.ok > self._ok or refused == 0:
            self._ok, self._refused, self._since_s = progress.ok, refused, None
            return
        if self._since_s is None:
            self._since_s = progress.elapsed_s
        enough = refused - self._refused >= FEWEST_REFUSED
        self.lost = enough and progress.elapsed_s - self._since_s >= PATIENCE_S


def stopped_answering(samples: SampleTable) -> str | None:
    """A sentence when connections were refused and no later request was answered well."""
    refused = np.flatnonzero(samples.outcome == OUTCOMES.index(Outcome.REFUSED))
    if len(refused) < FEWEST_REFUSED:
        return None
    first = int(refused[0])
    good = samples.outcome == OUTCOMES.index(Outcome.OK)
    if bool(good[first:].any()):
        return None
    at_s = float(samples.scheduled_s[first])
    detail = samples.details.get(first, "connection refused")
    return (
        f"the endpoint stopped answering {at_s:.1f} s after the start:"
        f" {len(refused)} requests were refused ({detail})"
    )
