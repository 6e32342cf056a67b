"""How many replicas: the policies with their defaults, what they know, and what they decide."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

LANGUAGE_COLD_START_S: Final = 420.0
IMAGE_COLD_START_S: Final = 240.0
"""The longest that a replica may take to serve, where nobody says otherwise."""


class Mode(StrEnum):
    """Whether an endpoint may be without a replica."""

    FLEX = "flex"
    """To zero when idle."""
    ACTIVE = "active"
    """At least one, always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits that hold for every policy; `None` is no budget."""

    min_replicas: int = 0
    max_replicas: int = 3
    budget_usd_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PacelinePolicy:
    """The designed policy; every default is explained in `docs/concepts/autoscaling.md`."""

    bounds: Bounds = Bounds()
    mode: Mode = Mode.FLEX
    target_in_flight: float | None = None
    """Requests per replica to aim at; `None` is `target_share` of the measured concurrency."""
    target_share: float = 0.75
    stable_s: float = 60.0
    burst_s: float = 6.0
    burst_factor: float = 2.0
    burst_hold_s: float | None = None
    """No decrease for so long after a burst; `None` is a minute."""
    queue_delay_s: float = 4.0
    down_after_s: float | None = None
    """How long fewer must have been enough; `None` is 30 s in flex and 120 s in active mode.

    What is `None` here and above is less in proportion where a cold start takes under 45 s.
    """
    down_share: float = 0.85
    gone_share: float = 0.35
    """Below this share of what fewer carry, the traffic is gone and the peak does not count."""
    peak_s: float = 600.0
    idle_timeout_s: float | None = None
    """`None` is four measured cold starts, at most five minutes.

    Where one takes under 45 s it is less in proportion, down to 20 s; a minute before any.
    """
    cold_start_budget_s: float | None = None
    """`None` is the replica's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnativePolicy:
    """The Knative pod autoscaler on concurrency, as published.

    Defaults: knative/serving, config/core/configmaps/autoscaler.yaml (commit 0d68a7b). The target
    is a share of the container's concurrency, which is the replica's measured one here.
    """

    bounds: Bounds = Bounds()
    target_share: float = 0.7
    stable_s: float = 60.0
    panic_s: float = 6.0
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    scale_to_zero_grace_s: float = 30.0
    tick_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDelayPolicy:
    """RunPod serverless, scaler type "queue delay".

    Defaults: docs.runpod.io/serverless/endpoints/endpoint-configurations (read 2026-11): 4 s,
    idle timeout 5 s, at most 3 workers. "Workers are added" while requests wait longer; how many
    at once is not published: one per `queue_delay_s` is taken. `counts_starting` is the kinder
    reading, in which none is added while one starts.
    """

    bounds: Bounds = Bounds()
    queue_delay_s: float = 4.0
    idle_timeout_s: float = 5.0
    counts_starting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCountPolicy:
    """RunPod serverless, scaler type "request count": ceil((queued + in progress) ÷ count).

    Defaults: as for `QueueDelayPolicy`; the count is 4. The idle timeout applies on load-balancing
    endpoints, so a worker above the formula goes once it was idle that long.
    """

    bounds: Bounds = Bounds()
    request_count: int = 4
    idle_timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RpsPolicy:
    """Requests per second over a window ÷ a target per replica, for comparison.

    `target_rps` `None` is `target_share` of the replica's measured requests/s. At zero after a
    window without arrivals and with nothing in flight.
    """

    bounds: Bounds = Bounds()
    target_rps: float | None = None
    target_share: float = 0.75
    window_s: float = 60.0


Policy = PacelinePolicy | KnativePolicy | QueueDelayPolicy | RequestCountPolicy | RpsPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePoint:
    """What one replica was measured to do with so many requests in flight."""

    concurrency: int
    ttft_ms: float
    tpot_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What is known of one replica of the version, from its measurement.

    `concurrency` is the most requests in flight at which the limits still hold; the gateway gives
    a replica no more. `cold_start_s` is the median from launch to ready, `cold_start_p90_s` its
    90th percentile (`None`: always the median). `service` rises in concurrency; between its points
    values are interpolated, beyond them the nearest holds. `ttft_ms_per_1k_input` is added to TTFT
    per thousand prompt tokens.
    """

    concurrency: int
    cold_start_s: float
    usd_per_hour: float
    service: tuple[ServicePoint, ...]
    cold_start_p90_s: float | None = None
    cold_start_budget_s: float = LANGUAGE_COLD_START_S
    ttft_ms_per_1k_input: float = 0.0
    requests_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A value that was reached at one moment of the scaler's own clock."""

    at_s: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a policy carries from one decision to the next.

    All times are on `clock_s`, a clock of the scaler's own that moves with the system's but never
    backwards and never far at once, so that a clock that jumps neither frees nor holds a replica.
    """

    clock_s: float = 0.0
    seen_s: float | None = None
    """The system's clock at the last decision; `None` before the first."""
    counts: tuple[Peak, ...] = ()
    """Counts asked for of late that can still be the largest of their stretch, falling."""
    peaks: tuple[Peak, ...] = ()
    """The same for the load over the stable window."""
    hold_until_s: float | None = None
    """No decrease before."""
    quiet_since_s: float | None = None
    """Since when nothing was in flight or queued; `None` while something is."""
    changed_s: float | None = None
    """When the count was last raised."""
    service_s: float | None = None
    """How long a request was in a replica, when last seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What is wanted and seen of the replicas now; `idle_s` per ready replica, in any order."""

    replica: Replica
    wanted: int = 0
    ready: int = 0
    starting: int = 0
    stopping: int = 0
    idle_s: tuple[float, ...] = ()
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas there shall be, why, and what to remember for the next one."""

    replicas: int
    because: str
    memory: Memory
