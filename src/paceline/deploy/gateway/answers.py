"""Bytes of answers to clients: heads, chunks, errors."""

from dataclasses import dataclass
from typing import Final

import orjson

from paceline.deploy.gateway.addresses import reached_at, with_our_addresses
from paceline.deploy.gateway.fleet import Replica
from paceline.deploy.gateway.idempotency import Answer
from paceline.deploy.gateway.problems import REASONS, TYPES, Problem
from paceline.deploy.gateway.served import Served
from paceline.deploy.gateway.settings import GatewaySettings

LAST_CHUNK: Final = b"0\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
MOST_REASON: Final = 300
"""Characters of an engine's own words that are passed on."""
JSON: Final = b"application/json"
REPLAYED: Final = b"idempotent-replayed: true\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a replica did not answer. `status` is what the client is told if nobody else does."""

    status: int
    reason: str
    replica_to_blame: bool = True
    may_retry: bool = True
    code: str = "engine_failed"

    @classmethod
    def of_answer(cls, status: int, body: bytes) -> "Failure":
        """Of an answer that is none, see `answers`."""
        said = body[:MOST_REASON].decode(errors="replace")
        if status == 429:  # noqa: PLR2004
            return cls(
                status=503,
                reason=f"it has no room: {said}",
                replica_to_blame=False,
                code="no_capacity",
            )
        return cls(status=502, reason=f"it answered {status}: {said}")

    def problem(self) -> Problem:
        """As the client reads it."""
        if self.status == 504:  # noqa: PLR2004
            return Problem(
                status=504,
                code="engine_timeout",
                message=f"The engine was too slow: {self.reason}.",
            )
        return Problem(
            status=self.status,
            code=self.code,
            message=f"The engine failed: {self.reason}.",
            retry_after_s=1.0 if self.status == 503 else None,  # noqa: PLR2004
        )


def answers(status: int) -> bool:
    """Whether an engine dealt with the question, if only by a refusal.

    It did not by 5xx or 429 (it is full), nor by what is no answer to a POST: 204, 206, 3xx. Most
    of those have no body, and passed on with one they would be misread.
    """
    return 200 <= status < 204 or (400 <= status < 500 and status != 429)  # noqa: PLR2004


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream_head(served: Served, replica: Replica, overhead_us: int) -> bytes:
    """The head of a stream of events."""
    request, meter = served.request, served.meter
    if request.head.http_1_0:
        framing = CLOSE
    elif served.client.closes_after(request):
        framing = b"transfer-encoding: chunked\r\n" + CLOSE
    else:
        framing = b"transfer-encoding: chunked\r\n"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"cache-control: no-cache\r\nx-accel-buffering: no\r\n%bx-request-id: %b\r\n%b%b"
        b"x-paceline-overhead-us: %d\r\n\r\n"
    ) % (
        framing,
        served.request_id,
        replica.answer_head,
        meter.headers() if meter is not None else b"",
        overhead_us,
    )


def whole_answer(
    served: Served,
    replica: Replica,
    *,
    status: int,
    content_type: bytes,
    body_bytes: int,
    overhead_us: int,
    close: bool,
) -> bytes:
    """The head of an engine's answer with a body of that length."""
    meter = served.meter
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b%b%b"
        b"x-paceline-overhead-us: %d\r\n\r\n"
    ) % (
        status,
        REASONS.get(status, b"Answer"),
        content_type or JSON,
        body_bytes,
        served.request_id,
        replica.answer_head,
        meter.headers() if meter is not None else b"",
        CLOSE if close else b"",
        overhead_us,
    )


def problem_answer(problem: Problem, served: Served, *, close: bool) -> bytes:
    """A refusal, on a connection that may go on."""
    meter = served.meter
    return own_answer(
        problem.status,
        problem.body(),
        request_id=served.request_id,
        retry_after=problem.retry_after(),
        extra=meter.headers() if meter is not None else b"",
        close=close,
    )


def own_answer(
    status: int,
    body: bytes,
    *,
    request_id: bytes,
    retry_after: int | None = None,
    extra: bytes = b"",
    content_type: bytes = JSON,
    close: bool = False,
) -> bytes:
    """An answer that no replica had a part in."""
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
        b"%b%b%b\r\n%b"
    ) % (
        status,
        REASONS.get(status, b"Answer"),
        content_type,
        len(body),
        request_id,
        b"" if retry_after is None else b"retry-after: %d\r\n" % retry_after,
        extra,
        CLOSE if close else b"",
        body,
    )


def replayed_answer(answer: Answer, served: Served, *, close: bool) -> bytes:
    """What another request with the same idempotency key was served."""
    return own_answer(
        answer.status,
        answer.body,
        request_id=served.request_id,
        retry_after=answer.retry_after,
        extra=REPLAYED,
        content_type=answer.content_type,
        close=close,
    )


def error_event(problem: Problem) -> bytes:
    """The last event of a stream that broke off."""
    return b"data: " + problem.body() + b"\n\n"


def in_our_words(body: bytes, served: Served, replica: Replica, settings: GatewaySettings) -> bytes:
    """A replica's answer with the model's name and the addresses that the client knows."""
    body = replica.names(served.ask.model).answered(body)
    if not served.ask.wants_urls:
        return body
    return with_our_addresses(body, replica.route, reached_at(served.request, tls=settings.tls))


def reshaped(status: int, body: bytes) -> bytes:
    """An engine's refusal in the form that clients of OpenAI read; most have it already."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        return body
    said = document if isinstance(document, dict) else {}
    detail = said.get("message") or said.get("detail") or said.get("error")
    text = detail if isinstance(detail, str) else body[:MOST_REASON].decode(errors="replace")
    error = {
        "message": text or f"The engine refused the request with {status}.",
        "type": TYPES.get(status, "invalid_request_error"),
        "param": said.get("param"),
        "code": said.get("code") or "engine_refused",
    }
    return orjson.dumps({"error": error})
