"""From the deltas of one generation to the bytes of one answer, streamed or whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paceline.runtimes.openai_face.api import ApiError, TokenLogprob, Usage, Wire
from paceline.runtimes.openai_face.generation import Codec, Delta
from paceline.runtimes.openai_face.protocol import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where and how one answer goes out."""

    reply: Reply
    wire: Wire
    codec: Codec
    prompt_tokens: int
    include_usage: bool

    def usage(self, delta: Delta) -> Usage:
        """Counts up to this delta."""
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=delta.completion_tokens)

    def logprobs(self, delta: Delta) -> list[TokenLogprob]:
        """The delta's log probabilities; empty unless they were asked for."""
        if not delta.logprobs:
            return []
        return [
            TokenLogprob(token=self.codec.piece(token_id), logprob=logprob)
            for token_id, logprob in zip(delta.token_ids, delta.logprobs, strict=True)
        ]


class Relay(Protocol):
    """Takes the deltas of one generation, in order, on the event loop."""

    def take(self, delta: Delta) -> None:
        """Pass one delta on; the one with a `finish` completes the answer."""
        ...


class StreamRelay:
    """Server-sent events; opened by the first delta, so that an early failure keeps a status."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._open = False

    def take(self, delta: Delta) -> None:
        reply, wire = self._answer.reply, self._answer.wire
        if delta.finish == "error" and not self._open:
            _fail(reply, delta)
            return
        out = b""
        if not self._open:
            self._open = True
            reply.start()
            out = wire.opening()
        logprobs = self._answer.logprobs(delta)
        if delta.text or logprobs:
            out += wire.text(delta.text, logprobs)
        if delta.finish == "error":
            out += wire.failure(ApiError(503, delta.message or "the engine failed"))
        elif delta.finish is not None:
            usage = self._answer.usage(delta) if self._answer.include_usage else None
            out += wire.closing(delta.finish, usage)
        if out:
            reply.write(out)
        if delta.finish is not None:
            reply.end()


class WholeRelay:
    """One JSON body at the end."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._texts: list[str] = []
        self._logprobs: list[TokenLogprob] = []

    def take(self, delta: Delta) -> None:
        self._texts.append(delta.text)
        self._logprobs.extend(self._answer.logprobs(delta))
        if delta.finish == "error":
            _fail(self._answer.reply, delta)
        elif delta.finish is not None:
            usage = self._answer.usage(delta)
            text = "".join(self._texts)
            body = self._answer.wire.whole(text, delta.finish, usage, self._logprobs)
            self._answer.reply.send(200, body)


def _fail(reply: Reply, delta: Delta) -> None:
    error = ApiError(503, delta.message or "the engine failed", code="engine_failed")
    reply.send(error.status, error.body())
