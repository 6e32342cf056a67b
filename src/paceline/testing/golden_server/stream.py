"""One answer under way: what to send next and when, faults included."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from paceline.testing.golden_server.client_socket import ClientSocket
from paceline.testing.golden_server.log import Entry
from paceline.testing.golden_server.schedule import NS_PER_MS, token_times_ns
from paceline.testing.golden_server.settings import Fault, GoldenSettings
from paceline.testing.golden_server.wire import (
    LAST_CHUNK,
    STREAM_HEAD,
    Phrases,
    event,
    framed,
    json_answer,
    usage_of,
)

STALL_NS = 3600 * 1000 * NS_PER_MS
IMAGE = "iVBORw0KGgo="
STRIKES: Final[Mapping[Fault, tuple[bytes, str | None]]] = {
    Fault.RESET: (b"", "reset"),
    Fault.TRUNCATED: (b"", "fin"),
    Fault.STALL: (b"", None),
    Fault.CUT: (LAST_CHUNK, None),
    Fault.GARBAGE: (b"\x00\x01 this is no HTTP\r\n\r\n", "fin"),
    Fault.BAD_EVENT: (framed(b'data: {"choices": [\n\n') + LAST_CHUNK, None),
    Fault.STREAM_ERROR: (
        framed(event({"error": {"message": "the engine died", "code": 500}})) + LAST_CHUNK,
        None,
    ),
}
"""What a fault sends last, and how the connection ends."""


class Stream:
    """Sends one answer, piece by piece. `closes` is how the connection ends after it, if so."""

    def __init__(
        self,
        *,
        settings: GoldenSettings,
        client: ClientSocket,
        entry: Entry,
        request: dict[str, Any],
        route: str,
        phrases: Phrases | None,
        fault: Fault,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self.client = client
        self.entry = entry
        self._request = request
        self._route = route
        self._phrases = phrases
        self._fault = fault
        self._rng = rng
        self._times: Sequence[int] = ()
        self._next = 0
        self._head = STREAM_HEAD
        self._streams = (
            bool(request.get("stream")) and phrases is not None and not settings.no_stream
        )
        self.closes: str | None = None
        words = _words_of(request)
        entry.input_tokens = round(words * settings.tokens_per_word) + settings.overhead_tokens
        asked = request.get("max_completion_tokens") or request.get("max_tokens") or 1
        entry.output_tokens = int(asked) if phrases else 1

    def start(self, at_ns: int, in_service: int) -> int:
        """The answer begins to be worked on; when the first piece is due."""
        self.entry.started_ns, self.entry.in_service = at_ns, in_service
        self._times = token_times_ns(
            self._settings,
            start_ns=at_ns,
            input_tokens=self.entry.input_tokens,
            output_tokens=self.entry.output_tokens,
            in_service=in_service,
            rng=self._rng,
        )
        if self._fault is Fault.SLOW_HEADERS:
            return at_ns + NS_PER_MS
        return self._times[0] if self._streams else self._times[-1]

    def advance(self) -> int | None:
        """Send what is due; when the next piece is, or `None` at the end."""
        if not self.client.open:
            return self._end("client gone")
        if not self._streams:
            return self._send_whole()
        if self._fault is Fault.SLOW_HEADERS and len(self._head) > 1:
            self.client.send(self._head[:1])
            self._head = self._head[1:]
            return time.monotonic_ns() + NS_PER_MS
        mumbles = self._fault is Fault.MUMBLE and len(self._times) <= self._settings.fault_after
        if self._fault is Fault.EMPTY or mumbles:
            return self._send_end(self._head)
        at_once = self._fault is Fault.GARBAGE
        if self._fault in STRIKES and (at_once or self._next == self._settings.fault_after):
            return self._strike()
        return self._send_token()

    def _send_token(self) -> int | None:
        assert self._phrases is not None
        number = self._next
        self._next += 1
        piece = self._phrases.token
        if number == 0:
            piece = self._head + (self._phrases.role if self._route == "chat" else b"") + piece
        last = self._next == len(self._times)
        if last:
            return self._send_end(piece)
        self._note(self._send(piece))
        return self._times[self._next]

    def _send_end(self, piece: bytes) -> int | None:
        """The last output and all that follows it, in one write."""
        assert self._phrases is not None
        options = self._request.get("stream_options") or {}
        piece += self._phrases.finish
        if options.get("include_usage") and not self._settings.no_usage:
            piece += self._phrases.usage(self.entry.input_tokens, self.entry.output_tokens)
        piece += self._phrases.done + LAST_CHUNK
        self._note(self._send(piece))
        closes = "fin" if self._fault is Fault.CLOSE else None
        return self._end("ok" if self._fault is not Fault.EMPTY else "empty", closes=closes)

    def _strike(self) -> int | None:
        """The fault that ends this stream."""
        if self._fault is Fault.STALL:
            self.entry.ended = "stalled"
            return time.monotonic_ns() + STALL_NS
        last_words, closes = STRIKES[self._fault]
        if last_words:
            self.client.send(last_words)
        return self._end(self._fault.value, closes=closes)

    def _send_whole(self) -> int | None:
        entry, usage = self.entry, not self._settings.no_usage
        document: dict[str, Any]
        if self._phrases is not None:
            document = self._phrases.whole(entry.input_tokens, entry.output_tokens, usage=usage)
        elif self._route == "embeddings":
            document = {"object": "list", "data": [{"index": 0, "embedding": [0.1, 0.2]}]}
            document["usage"] = usage_of(entry.input_tokens, 0)
        else:
            document = {"created": 1, "data": [{"b64_json": IMAGE}]}
        self._note(self.client.send(json_answer(200, document)))
        return self._end("ok")

    def _send(self, piece: bytes) -> int:
        if not self._settings.split_writes:
            return self.client.send(piece)
        cut = self._rng.randrange(1, len(piece))
        at_ns = self.client.send(piece[:cut])
        self.client.send(piece[cut:])
        return at_ns

    def _note(self, at_ns: int) -> None:
        if self.entry.first_ns is None:
            self.entry.first_ns = at_ns
        self.entry.last_ns = at_ns
        if self._settings.log_chunks:
            self.entry.chunks_ns.append(at_ns)

    def _end(self, how: str, *, closes: str | None = None) -> int | None:
        self.entry.ended = how
        self.closes = closes
        return None


def _words_of(request: dict[str, Any]) -> int:
    """Words of a prompt in any route's form."""
    messages = request.get("messages")
    if messages:
        return sum(len(str(message.get("content", "")).split()) for message in messages)
    return len(str(request.get("prompt") or request.get("input") or "").split())
