"""Errors as the OpenAI API shapes them: every refusal of the gateway is one of these."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    502: "engine_error",
    503: "overloaded_error",
    504: "timeout_error",
}
REASONS: Final[Mapping[int, bytes]] = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    402: b"Payment Required",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    422: b"Unprocessable Content",
    429: b"Too Many Requests",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a replica has come that is being started."""

    state: str
    phase: str
    progress: float
    eta_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One refusal. `retry_after_s` becomes whole seconds, at least one."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after_s: float | None = None
    progress: Progress | None = None

    def body(self) -> bytes:
        """The JSON text; a start-up in progress stands beside the error."""
        error = {
            "message": self.message,
            "type": TYPES[self.status],
            "param": self.param,
            "code": self.code,
        }
        if self.progress is None:
            return orjson.dumps({"error": error})
        return orjson.dumps({"error": error} | _fields(self.progress))

    def retry_after(self) -> int | None:
        """Whole seconds for the header of that name."""
        if self.retry_after_s is None:
            return None
        return max(math.ceil(round(self.retry_after_s, 3)), 1)


def malformed(code: str, message: str, param: str | None = None) -> Problem:
    """400: the request cannot be understood."""
    return Problem(status=400, code=code, message=message, param=param)


def not_told_yet() -> Problem:
    """503: the gateway has just started and knows neither keys nor endpoints."""
    message = "The gateway has just started and does not know its endpoints yet; ask again."
    return Problem(status=503, code="gateway_starting", message=message, retry_after_s=1.0)


def no_such_model(name: str) -> Problem:
    """404: also for a model of another workspace, so that names cannot be probed."""
    return Problem(
        status=404,
        code="model_not_found",
        message=f"The model {name[:100]!r} does not exist or is not yours to use.",
        param="model",
    )


def closing_answer(problem: Problem, request_id: bytes) -> bytes:
    """A refusal that is the last answer on its connection."""
    body = problem.body()
    retry = problem.retry_after()
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"x-request-id: %b\r\n%bconnection: close\r\n\r\n%b"
    ) % (
        problem.status,
        REASONS[problem.status],
        len(body),
        request_id,
        b"" if retry is None else b"retry-after: %d\r\n" % retry,
        body,
    )


def _fields(progress: Progress) -> dict[str, object]:
    return {
        "state": progress.state,
        "phase": progress.phase,
        "progress": round(progress.progress, 3),
        "eta_s": round(progress.eta_s, 1),
    }
