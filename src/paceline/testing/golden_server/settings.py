"""What the golden server does, as its command line says it."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """A way to go wrong. Those inside a stream strike after `fault_after` tokens."""

    NONE = "none"
    RESET = "reset"
    STALL = "stall"
    TRUNCATED = "truncated"
    """The connection closes inside the stream."""
    CUT = "cut"
    """The stream ends as HTTP has it, without a finish_reason or [DONE]."""
    GARBAGE = "garbage"
    """Bytes that are no HTTP."""
    BAD_EVENT = "bad-event"
    STREAM_ERROR = "stream-error"
    EMPTY = "empty"
    MUMBLE = "mumble"
    """Empty when at most `fault_after` tokens are asked for: they were no whole character yet."""
    SLOW_HEADERS = "slow-headers"
    """The header arrives byte by byte, one per millisecond."""
    CLOSE = "close"
    """A good answer, then the connection closes without having said so."""
    HTTP_429 = "429"
    HTTP_500 = "500"
    HTTP_503 = "503"

    @property
    def status(self) -> int | None:
        """The HTTP status of a fault that is one."""
        return int(self.value) if self.value.isdigit() else None


class WhenFull(StrEnum):
    """What happens to a request above the capacity."""

    QUEUE = "queue"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSettings:
    """Times in ms, counted from the arrival of the request's last byte (or from leaving the queue).

    Token `k` is sent at `ttft_ms + prefill_ms_per_token × input + k × itl_ms`, where the gap grows
    by `itl_ms_per_stream` for each request in service at the start. `jitter` is the standard
    deviation of a log-normal factor on the first time and on each gap. A prompt counts
    `tokens_per_word` per word and `overhead_tokens` per request.
    """

    host: str = "127.0.0.1"
    port: int = 0
    model: str | None = None
    key: str | None = None
    ttft_ms: float = 100.0
    itl_ms: float = 20.0
    prefill_ms_per_token: float = 0.0
    itl_ms_per_stream: float = 0.0
    jitter: float = 0.0
    capacity: int | None = None
    when_full: WhenFull = WhenFull.QUEUE
    fault: Fault = Fault.NONE
    fault_share: float = 1.0
    fault_after: int = 3
    tokens_per_chunk: int = 1
    tokens_per_word: float = 1.0
    overhead_tokens: int = 7
    context_tokens: int | None = None
    split_writes: bool = False
    """Send every event in two pieces, cut at a random byte."""
    no_usage: bool = False
    no_stream: bool = False
    strict_fields: bool = False
    """Refuse `stream_options`, as some servers do."""
    seed: int = 0
    log_path: str | None = None
    log_chunks: bool = False
