"""One load test: where it goes, what came back, and whether the client can be trusted.

Times are seconds on the client's monotonic clock, relative to the start of the measured window,
unless a name says otherwise. What is sent is in `records.load_plan`, raw samples by the column in
`records.samples`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.measurement import Interval, Stat
from paceline.records.samples import SampleTable


class Route(StrEnum):
    """The OpenAI-shaped route that is loaded."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"
    IMAGES = "/v1/images/generations"

    @property
    def streams(self) -> bool:
        """Whether its answers come token by token."""
        return self in (Route.CHAT, Route.COMPLETIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The endpoint under load.

    `base_url` is `http[s]://HOST[:PORT][/PREFIX]`, with or without the final `/v1`.
    """

    base_url: str
    model: str
    api_key: str | None = None
    route: Route = Route.CHAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one request before the load told about the endpoint.

    The prompt of `n` words counted `tokens_per_request + tokens_per_word × n` input tokens by the
    server; both `None` when it sends no usage. `notes` are things a reader of the figures should
    know, such as "no usage: output tokens are counted by chunks".
    """

    streams: bool
    sends_usage: bool
    accepts_usage_option: bool
    """Whether `stream_options` may be sent; some servers refuse fields they do not know."""
    tokens_per_request: float | None
    tokens_per_word: float | None
    ttft_ms: float
    e2e_ms: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHealth:
    """What the client knows about itself in the window.

    `loop_lag_ms` is how long it did not look at its sockets (busy, or not given a core);
    `send_skew_ms` how long after it was allowed to a request was written: after its due time or
    the slot that it waited for, so that waiting for the server is not counted. `cpu_s` covers
    all client processes from their start to the end of the window, `window_cpu_s` the window;
    `cores` is how many cores those processes could use at once. `offered_rps` is the rate that
    the plan asked for up to the last arrival, `None` in closed loop; `held` counts requests that
    `max_in_flight` made wait.
    """

    processes: int
    cores: int
    cpu_s: float
    window_cpu_s: float
    window_s: float
    loop_lag_ms: Stat
    send_skew_ms: Stat
    offered_rps: float | None
    achieved_rps: float
    held: int
    connections_opened: int
    retried: int
    """Requests repeated because the server closed an idle connection under them."""
    kernel_stamps: bool
    """Whether arrival times were taken by the kernel (else right after the poll)."""
    deaths: tuple[int, ...] = ()
    """Exit codes of client processes that died in the window; what they had not written is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgress:
    """A running load test, a few times per second; counts are since the start.

    The recent times cover requests that ended since the last report, at most some hundreds.
    """

    elapsed_s: float
    in_flight: int
    started: int
    ok: int
    failed: int
    output_chunks: int
    recent_ttft_ms: tuple[float, ...]
    recent_tpot_ms: tuple[float, ...]
    recent_e2e_ms: tuple[float, ...]
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """A finished, stopped or broken-off load test: every request that was started.

    `samples` holds the window only; warm-up requests are counted in `warmup_requests` and
    `warmup_failed`. `stopped` tells that the caller ended it early. `started_at_utc` is for
    people.
    """

    samples: SampleTable
    health: ClientHealth
    probe: Probe
    warmup_requests: int
    warmup_failed: int
    stopped: bool
    window_start_monotonic_s: float
    """Time zero of all samples on CLOCK_MONOTONIC, to line up with other records of the host."""
    started_at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSummary:
    """Metrics of the steady window, as defined in `docs/concepts/metrics.md`; times in ms.

    `drift` is the relative change of `scheduled_e2e` over the window when it is more than chance
    (positive: getting slower), else `None`; `steady` is its absence. `window_start_s` and
    `window_s` bound the steady window, `trimmed` counts the requests started before it.
    `token_counts` tells where output token counts came from, in requests per source.
    """

    ttft_ms: Stat
    tpot_ms: Stat
    itl_ms: Stat
    e2e_ms: Stat
    scheduled_e2e_ms: Stat
    scheduled_ttft_ms: Stat
    output_tokens_per_s: float
    requests_per_s: float
    ok: int
    failed: int
    incomplete: int
    outcomes: Mapping[str, int]
    window_s: float
    steady: bool
    output_tokens_per_s_ci95: Interval | None = None
    requests_per_s_ci95: Interval | None = None
    failed_share_ci95: Interval | None = None
    input_tokens_per_s: float | None = None
    input_tokens_mean: float | None = None
    output_tokens_mean: float | None = None
    tokens_per_chunk: float | None = None
    token_counts: Mapping[str, int]
    window_start_s: float = 0.0
    trimmed: int = 0
    drift: float | None = None
    in_flight_mean: float | None = None
    in_flight_max: int | None = None
