"""One answer as it comes in: which bytes carried output, what the server counted, how it ended.

Bytes come in pieces of any size. HTTP framing is undone by httptools before; this module splits
server-sent events, and reads whole JSON bodies where the route or the server does not stream.
"""

import re
from enum import Enum, auto
from typing import Any

import orjson

from paceline.records.load import Route
from paceline.records.samples import Outcome

HTTP_OK = 200
TAG = re.compile(r"<(style|script|title)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
DETAIL_CHARS = 300
ERROR_BODY_BYTES = 4096
"""How much of an error answer is kept to quote from."""


class BodyKind(Enum):
    """How the body is to be read; known with the headers."""

    EVENTS = auto()
    JSON = auto()
    ERROR = auto()


class Answer:
    """Parse state of one request's answer. `stamps` are the arrival times of output chunks."""

    __slots__ = (
        "_data",
        "_finished",
        "_kind",
        "_outcome",
        "_parts",
        "_rest",
        "_route",
        "_saw_done",
        "detail",
        "input_tokens",
        "output_tokens",
        "stamps",
        "status",
        "text",
    )

    def __init__(self, route: Route, *, keep_text: bool = False) -> None:
        self._route = route
        self._kind = BodyKind.EVENTS
        self._rest = b""
        self._data: list[bytes] = []
        self._parts: list[bytes] = []
        self._finished = False
        self._saw_done = False
        self._outcome: Outcome | None = None
        self.stamps: list[float] = []
        self.status: int | None = None
        self.detail: str | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.text: list[str] | None = [] if keep_text else None

    @property
    def streamed(self) -> bool:
        """Whether the body came as server-sent events."""
        return self._kind is BodyKind.EVENTS

    def begin(self, status: int, content_type: bytes) -> None:
        """The headers are complete."""
        self.status = status
        if status != HTTP_OK:
            self._kind = BodyKind.ERROR
        elif content_type.startswith(b"text/event-stream"):
            self._kind = BodyKind.EVENTS
        else:
            self._kind = BodyKind.JSON

    def feed(self, body: bytes, at_s: float) -> None:
        """A piece of the body that arrived at `at_s`."""
        if self._kind is BodyKind.EVENTS:
            self._feed_events(body, at_s)
        elif self._kind is BodyKind.JSON or sum(map(len, self._parts)) < ERROR_BODY_BYTES:
            self._parts.append(body)

    def complete(self, at_s: float) -> Outcome:
        """The message ended as HTTP says; how the request ended."""
        match self._kind:
            case BodyKind.ERROR:
                text = b"".join(self._parts)[:ERROR_BODY_BYTES].decode(errors="replace")
                self.detail = f"HTTP {self.status}: {_message_of(text)}"[:DETAIL_CHARS]
                return Outcome.HTTP_ERROR
            case BodyKind.JSON:
                self._read_json(b"".join(self._parts), at_s)
            case BodyKind.EVENTS:
                self._dispatch_lines(at_s)  # a missing last blank line is tolerated
        if self._outcome is not None:
            return self._outcome
        if not (self._saw_done or self._finished):
            self.detail = "the stream ended without [DONE] or a finish_reason"
            return Outcome.TRUNCATED
        if not self.stamps:
            self.detail = "a complete answer without output"
            return Outcome.EMPTY
        return Outcome.OK

    def _feed_events(self, body: bytes, at_s: float) -> None:
        if not self._rest and not self._data and body.startswith(b"data: "):
            # Nearly every read is one whole event, which needs no splitting.
            end = len(body) - 2
            if body.find(b"\n") == end and body.endswith(b"\n\n"):
                self._dispatch(body[6:end], at_s)
                return
        lines = (self._rest + body).split(b"\n") if self._rest else body.split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line in (b"", b"\r"):
                self._dispatch_lines(at_s)
            elif line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif line[:1] == b"{":
                # A JSON line outside any event: a server that lost its framing, not a comment.
                self._fail(Outcome.GARBAGE, f"no event: {line[:80]!r}")

    def _dispatch_lines(self, at_s: float) -> None:
        if self._data:
            data = b"\n".join(self._data)
            self._data.clear()
            self._dispatch(data, at_s)

    def _dispatch(self, data: bytes, at_s: float) -> None:
        if data == b"[DONE]":
            self._saw_done = True
            return
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            self._fail(Outcome.GARBAGE, f"an event is not JSON ({error}): {data[:80]!r}")
            return
        if not isinstance(event, dict):
            self._fail(Outcome.GARBAGE, f"an event is no object: {data[:80]!r}")
            return
        self._read_event(event, at_s)

    def _read_event(self, event: dict[str, Any], at_s: float) -> None:
        choices = event.get("choices")
        if choices:
            choice = choices[0]
            output = _output_of(choice)
            if output:
                self.stamps.append(at_s)
                if self.text is not None:
                    self.text.append(output)
            if choice.get("finish_reason"):
                self._finished = True
        elif event.get("error"):
            self._fail(Outcome.STREAM_ERROR, f"error in the stream: {_message_of(event)}")
        usage = event.get("usage")
        if usage:
            self._read_usage(usage)

    def _read_usage(self, usage: dict[str, Any]) -> None:
        self.input_tokens = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
        self.output_tokens = _count(usage.get("completion_tokens", usage.get("output_tokens")))

    def _read_json(self, body: bytes, at_s: float) -> None:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            self._fail(Outcome.GARBAGE, f"the answer is not JSON ({error}): {body[:80]!r}")
            return
        if not isinstance(document, dict) or document.get("error"):
            self._fail(Outcome.GARBAGE, f"not the answer of this route: {_message_of(document)}")
            return
        self._finished = True
        if isinstance(document.get("usage"), dict):
            self._read_usage(document["usage"])
        outputs = document.get("choices" if self._route.streams else "data")
        if outputs:
            self.stamps.append(at_s)
            if self.text is not None and self._route.streams:
                self.text.append(_output_of(outputs[0]) or "")

    def _fail(self, outcome: Outcome, detail: str) -> None:
        if self._outcome is None:  # the first thing that went wrong is the cause
            self._outcome = outcome
            self.detail = detail[:DETAIL_CHARS]


def _output_of(choice: dict[str, Any]) -> str | None:
    """Text that a choice carries, in any of the fields in which servers put output."""
    text = choice.get("text")
    if isinstance(text, str):
        return text
    delta = choice.get("delta") or choice.get("message")
    if not isinstance(delta, dict):
        return None
    output = delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")
    if isinstance(output, str) and output:
        return output
    calls = delta.get("tool_calls")
    return orjson.dumps(calls).decode() if calls else None


def _message_of(document: object) -> str:
    """The human part of an error answer, whatever its form."""
    if isinstance(document, str):
        try:
            document = orjson.loads(document)
        except orjson.JSONDecodeError:
            return _one_line(str(document))[:DETAIL_CHARS] or "(empty body)"
    if isinstance(document, dict):
        error = document.get("error", document)
        if isinstance(error, dict):
            error = error.get("message") or error.get("detail") or error
        return str(error)[:DETAIL_CHARS]
    return str(document)[:DETAIL_CHARS]


def _one_line(text: str) -> str:
    """Of a page in HTML its words: what answers in HTML is no server of models."""
    return " ".join((TAG.sub(" ", text) if text.lstrip().startswith("<") else text).split())


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
