"""What the golden server says: HTTP heads and prebuilt events."""

import json
from typing import Any

STATUS_TEXT = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def json_answer(status: int, document: object, *, extra: bytes = b"") -> bytes:
    """A complete answer with a JSON body."""
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        STATUS_TEXT[status].encode(),
        extra,
        len(body),
        body,
    )


def error_answer(status: int, message: str) -> bytes:
    """An error in OpenAI's form; 429 and 503 say when to come again."""
    extra = b"Retry-After: 1\r\n" if status in (429, 503) else b""
    return json_answer(status, {"error": {"message": message, "code": status}}, extra=extra)


def framed(body: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def event(document: object) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


class Phrases:
    """Prebuilt events of one route."""

    def __init__(self, *, chat: bool, model: str, tokens_per_chunk: int) -> None:
        self._chat = chat
        self._base = {
            "id": "golden-1",
            "object": "chat.completion.chunk" if chat else "text_completion",
            "created": 1,
            "model": model,
        }
        self.role = framed(event(self._choice({"role": "assistant", "content": ""}, None)))
        self.token = framed(event(self._choice({"content": " word" * tokens_per_chunk}, None)))
        self.finish = framed(event(self._choice({}, "stop")))
        self.done = framed(DONE)

    def usage(self, input_tokens: int, output_tokens: int) -> bytes:
        return framed(
            event({**self._base, "choices": [], "usage": usage_of(input_tokens, output_tokens)})
        )

    def whole(self, input_tokens: int, output_tokens: int, *, usage: bool) -> dict[str, Any]:
        """The answer in one document, for requests that do not stream."""
        text = " word" * output_tokens
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
        choice |= (
            {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        )
        document: dict[str, Any] = {**self._base, "choices": [choice]}
        if usage:
            document["usage"] = usage_of(input_tokens, output_tokens)
        return document

    def _choice(self, delta: dict[str, str], finish: str | None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        choice |= {"delta": delta} if self._chat else {"text": delta.get("content", "")}
        return {**self._base, "choices": [choice]}


def usage_of(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
