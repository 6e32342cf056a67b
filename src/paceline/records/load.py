"""One load test: what was asked of the generator and what came back.

Times are seconds on the client's monotonic clock, relative to the start of the measured window,
unless a name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.measurement import Stat


class Route(StrEnum):
    """The OpenAI-shaped route that is loaded."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"
    IMAGES = "/v1/images/generations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The endpoint under load."""

    base_url: str
    model: str
    api_key: str | None = None
    route: Route = Route.CHAT


class Outcome(StrEnum):
    """How one request ended; everything but `OK` is a miss and is never dropped."""

    OK = "ok"
    HTTP_ERROR = "http-error"
    REFUSED = "refused"
    RESET = "reset"
    TRUNCATED = "truncated"
    TIMED_OUT = "timed-out"
    GARBAGE = "garbage"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSample:
    """One request as the client saw it; the raw material of every figure.

    `scheduled_s` is when the load model wanted it sent, `sent_s` when it was written to the
    socket. `chunk_s` are the arrival times of chunks that carried output, first to last.
    """

    index: int
    scheduled_s: float
    sent_s: float | None
    chunk_s: tuple[float, ...]
    end_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    outcome: Outcome
    status: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSummary:
    """Metrics of the steady window, as defined in `docs/concepts/metrics.md`; times in ms."""

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
