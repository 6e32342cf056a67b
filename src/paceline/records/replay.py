"""What came of running a policy over a trace."""

from dataclasses import dataclass

from paceline.records.scaling import Policy, Replica


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """How a trace is replayed, apart from the policy.

    `hold_s` is how long a request may wait for a replica before it gets a 503. `after_s` is how
    long the replay goes on once everything is answered, so that idle replicas are paid for.
    """

    hold_s: float = 120.0
    start_replicas: int = 0
    """Ready when the trace begins, where the policy keeps no more by itself."""
    after_s: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDecision:
    """One line of the decision log; `wanted` is the count before it."""

    t_s: float
    wanted: int
    replicas: int
    because: str
    ready: int
    starting: int
    in_flight: int
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimes:
    """From arrival to a replica, in seconds; a refused request waited as long as it was held."""

    mean: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One policy over one trace.

    `utilization` is requests in flight × time ÷ (measured concurrency × paid time). A flip is a
    change of direction: fewer after more, or more after fewer. Cold starts count launches, those
    cancelled before they were ready included.
    """

    policy: Policy
    replica: Replica
    settings: ReplaySettings
    requests: int
    refused: int
    duration_s: float
    replica_s: float
    usd: float
    wait: WaitTimes
    cold_starts: int
    flips: int
    most_replicas: int
    utilization: float
    decisions: tuple[LoggedDecision, ...]
