"""One step of one request, for tools that follow requests through several programs."""

from dataclasses import dataclass

SpanValue = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time of a trace. Ids are lower-case hex; times are seconds since 1970 (UTC).

    `parent_id` is `None` at the root of a trace. `entry` tells that it is where a request came in.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_s: float
    end_s: float
    attributes: tuple[tuple[str, SpanValue], ...] = ()
    entry: bool = False
    failed: bool = False
