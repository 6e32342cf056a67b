"""From a line of the usage spool to the spans of its request; pure.

A request is one span from its arrival to its end; below it are the wait without any replica, the
wait with one ready, and the time in the replica, as far as there was any. Attributes follow
OpenTelemetry's conventions for generative AI where they have a name, else they are `paceline.*`.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from paceline.deploy.gateway.trace_context import span_id
from paceline.records.gateway import Ended, UsageLine
from paceline.records.span import Span, SpanValue

OPERATIONS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/images/generations": "image_generation",
}
TRACE_BYTES: Final = 16
SAMPLED: Final = 1


def spans_of(line: UsageLine) -> tuple[Span, ...]:
    """The request and its parts; none of one that goes on, or of an unsampled trace."""
    if line.ended in {Ended.BEGAN, Ended.MOVED}:
        return ()
    trace_id, parent_id, sampled = _trace(line)
    if not sampled:
        return ()
    whole_s = line.cold_s + line.queue_s + line.execution_s
    operation = OPERATIONS.get(line.route, line.route)
    request = Span(
        trace_id=trace_id,
        span_id=span_id(line.request_id.encode()).decode(),
        parent_id=parent_id,
        name=f"{operation} {line.endpoint}",
        start_s=line.at_s - whole_s,
        end_s=line.at_s,
        attributes=tuple(_attributes(line, operation)),
        entry=True,
        failed=line.ended is Ended.FAILED,
    )
    return (request, *_parts(line, request))


def _parts(line: UsageLine, request: Span) -> Iterator[Span]:
    start_s = request.start_s
    parts = (
        *(("cold start", line.cold_s), ("queue", line.queue_s)),
        ("execution", line.execution_s),
    )
    for name, took_s in parts:
        if took_s > 0:
            yield Span(
                trace_id=request.trace_id,
                span_id=span_id(f"{line.request_id}/{name}".encode()).decode(),
                parent_id=request.span_id,
                name=name,
                start_s=start_s,
                end_s=start_s + took_s,
                failed=request.failed and name == "execution",
            )
        start_s += took_s


def _trace(line: UsageLine) -> tuple[str, str | None, bool]:
    """Trace, parent and whether it is sampled; a trace of its own where the client has none."""
    if line.trace_parent is None:
        seed = f"{line.request_id}@{line.at_s}".encode()
        return hashlib.blake2b(seed, digest_size=TRACE_BYTES).hexdigest(), None, True
    _, trace_id, parent_id, flags = line.trace_parent.split("-")
    return trace_id, parent_id, bool(int(flags, 16) & SAMPLED)


def _attributes(line: UsageLine, operation: str) -> Iterator[tuple[str, SpanValue]]:
    yield "gen_ai.operation.name", operation
    yield "gen_ai.request.model", line.endpoint
    yield "gen_ai.usage.input_tokens", line.input_tokens
    yield "gen_ai.usage.output_tokens", line.output_tokens
    yield "http.response.status_code", line.status
    yield "url.path", line.route
    yield "paceline.request_id", line.request_id
    yield "paceline.workspace", line.workspace
    yield "paceline.version", line.version
    yield "paceline.ended", line.ended.value
    if line.replica_id is not None:
        yield "paceline.replica", line.replica_id
    if line.key_id is not None:
        yield "paceline.key", line.key_id
    if line.ttft_s is not None:
        yield "paceline.ttft_s", line.ttft_s
    if line.images:
        yield "paceline.images", line.images
