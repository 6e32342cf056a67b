"""What the server, its devices and its host said about themselves during a load test.

One set of names for all engines; an engine's own names are known in its adapter only. Unknown
figures are absent, never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.measurement import Interval


class Gauge(StrEnum):
    """What an engine has at a moment."""

    REQUESTS_RUNNING = "requests_running"
    REQUESTS_WAITING = "requests_waiting"
    KV_CACHE_USAGE = "kv_cache_usage"
    """0–1; the fullest of several engines."""


class Counter(StrEnum):
    """What an engine has done since it started."""

    PROMPT_TOKENS = "prompt_tokens"
    GENERATION_TOKENS = "generation_tokens"
    REQUESTS_FINISHED = "requests_finished"
    IMAGES = "images"
    BATCHES = "batches"
    """Of pictures made together."""
    PREEMPTIONS = "preemptions"
    PREFIX_TOKENS_ASKED = "prefix_tokens_asked"
    PREFIX_TOKENS_HIT = "prefix_tokens_hit"
    SPECULATION_DRAFTS = "speculation_drafts"
    SPECULATION_TOKENS_DRAFTED = "speculation_tokens_drafted"
    SPECULATION_TOKENS_ACCEPTED = "speculation_tokens_accepted"


class Times(StrEnum):
    """Distributions of times that an engine keeps, in seconds inside, in ms in a window."""

    TTFT = "ttft"
    TPOT = "tpot"
    ITL = "itl"
    E2E = "e2e"
    QUEUE = "queue"
    PREFILL = "prefill"
    DECODE = "decode"
    INFERENCE = "inference"
    """In the pipeline that makes a picture, from the prompt to its pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """A cumulative histogram: `counts[i]` observations were at most `limits_s[i]`.

    The last limit is infinite and its count the number of observations.
    """

    limits_s: tuple[float, ...]
    counts: tuple[float, ...]
    sum_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProcess:
    """A process that computes on an accelerator at a moment.

    `device` is the source's name of it (`gpu0`). `ours` tells whether it is this process or was
    started by it; `None` when its id means nothing here, as in a container. `memory_gib` is `None`
    where the driver does not say.
    """

    device: str
    pid: int
    ours: bool | None
    memory_gib: float | None = None

    @property
    def text(self) -> str:
        """For people: which process had how much of which device."""
        held = "" if self.memory_gib is None else f" with {self.memory_gib:.1f} GiB"
        return f"process {self.pid} computed on {self.device}{held}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One reading. `at_s` is CLOCK_MONOTONIC; counters and histograms only grow.

    Names are those above, or for devices and hosts ones that carry their unit.
    """

    at_s: float
    gauges: Mapping[str, float]
    counters: Mapping[str, float]
    histograms: Mapping[str, Buckets]


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeWindow:
    """A gauge over a window; `readings` is how many it rests on."""

    mean: float
    max: float
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesWindow:
    """A distribution over a window, in ms.

    The mean is exact. A percentile is known up to the bucket it falls into, which is the interval.
    """

    count: float
    mean_ms: float
    p50_ms: Interval | None
    p95_ms: Interval | None
    p99_ms: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryWindow:
    """What one source says about a window.

    `subject` is what was watched (`vllm`, `NVIDIA H200`, `this machine`). `start_s` and `end_s`
    are the readings that bound it, relative to the window asked for: `0` and its length would be
    exact. `counters` are growths.
    """

    source: str
    subject: str
    start_s: float
    end_s: float
    gauges: Mapping[str, GaugeWindow]
    counters: Mapping[str, float]
    times: Mapping[str, TimesWindow]


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryGap:
    """A source that said nothing, and why."""

    source: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One metric as the client and as the server measured it: means in ms.

    `agree` is `None` when they cannot be compared.
    """

    metric: str
    client_ms: float
    server_ms: float
    agree: bool | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUse:
    """What a process tree takes: processor time so far, memory now.

    Memory that its processes share counts once. `cpu_s` is of those that run and of those that
    ended and were waited for.
    """

    cpu_s: float
    memory_bytes: int
