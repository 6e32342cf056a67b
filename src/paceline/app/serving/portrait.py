"""How a fleet looks from outside: its state in one word, and what waiting clients are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paceline.app.serving.handover import Handover
from paceline.app.serving.replica import Replica
from paceline.clock import Clock
from paceline.deploy.coldstart import expected_s, progress
from paceline.deploy.rollout import Target
from paceline.records.deployment import (
    Endpoint,
    EndpointState,
    FailedVersion,
    Phase,
    Progress,
    ReplicaState,
)

ANNOUNCE_EVERY_S: Final = 5.0
"""How often the rest of a cold start is counted anew within a phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Announced:
    """The last announcement; `at_s` is UTC, `counted_s` monotonic."""

    phase: Phase
    progress: Progress
    at_s: float
    counted_s: float


class Announcer:
    """Tells how far the first start is; the same for a while, so that the table rests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: _Announced | None = None

    def announcement(self, replicas: Sequence[Replica]) -> tuple[Progress, float] | None:
        """With the UTC time (s) that its eta counts from; `None` when nothing starts."""
        first = next((one for one in replicas if one.state is ReplicaState.STARTING), None)
        if first is None or first.start is None:
            self._last = None
            return None
        now_s, phase, last = self._clock.monotonic_s(), first.start.phase, self._last
        if last is None or last.phase is not phase or now_s - last.counted_s >= ANNOUNCE_EVERY_S:
            measured = first.facts.replica
            expect_s = measured.cold_start_p90_s or expected_s((), measured.cold_start_s or None)
            last = self._last = _Announced(
                phase=phase,
                progress=progress(first.start, now_s, expect_s),
                at_s=self._clock.utc_now().timestamp(),
                counted_s=now_s,
            )
        return last.progress, last.at_s


def state_of(
    wanted: Target, live: Sequence[Replica], handover: Handover, replicas: Sequence[Replica]
) -> EndpointState:
    """In one word; `live` are those of the replicas that are not on their way out."""
    if wanted.version is None:
        return EndpointState.FAILED
    serving = {one.version for one in replicas if handover.serves(one)}
    if wanted.canary is not None:
        return EndpointState.CANARY if wanted.canary in serving else EndpointState.ROLLING
    busy = (*live, *(one for one in replicas if handover.may_get_more(one)))
    if any(one.version != wanted.version for one in busy):
        return EndpointState.ROLLING
    if serving:
        return EndpointState.LIVE
    return EndpointState.STARTING if live else EndpointState.IDLE


def why_failed(endpoint: Endpoint, failed: Sequence[FailedVersion]) -> str:
    """Every version that failed in this deployment, with its reason."""
    ours = (one for one in failed if one.revision == endpoint.revision)
    return "; ".join(f"version {one.version} failed in {one.phase}: {one.because}" for one in ours)
