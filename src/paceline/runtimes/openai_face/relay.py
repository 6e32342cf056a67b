"""From the deltas of one generation to the bytes of one answer, streamed or whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.runtimes.openai_face.api import ApiError, TokenLogprob, Usage, Wire
from paceline.runtimes.openai_face.generation import Codec, Delta, TokenScore
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


class ScoredRelay:
    """One JSON body at the end, with what the model itself says of every token in it.

    `prompt_ids` go in front of the answer; `echo` shows them too. `hand_over` gets the whole
    sequence when the answer is complete, and `send` is called with its scores.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        prompt_ids: Sequence[int],
        echo: bool,
        hand_over: Callable[[ScoredRelay, list[int]], None],
    ) -> None:
        self._answer = answer
        self._prompt_ids = list(prompt_ids)
        self._echo = echo
        self._hand_over = hand_over
        self._texts: list[str] = []
        self._ids: list[int] = []
        self._last: Delta | None = None

    def take(self, delta: Delta) -> None:
        self._texts.append(delta.text)
        self._ids.extend(delta.token_ids)
        if delta.finish == "error":
            _fail(self._answer.reply, delta)
        elif delta.finish is not None:
            self._last = delta
            self._hand_over(self, [*self._prompt_ids, *self._ids])

    def send(self, scores: Sequence[TokenScore]) -> None:
        """Answer with one score per token of what was handed over."""
        if self._last is None or self._last.finish is None or self._answer.reply.done:
            return
        piece = self._answer.codec.piece
        skipped = 0 if self._echo else len(self._prompt_ids)
        ids = [*self._prompt_ids, *self._ids][skipped:]
        logprobs = [
            TokenLogprob(
                token=piece(token_id),
                logprob=score.logprob,
                top=tuple((piece(other), logprob) for other, logprob in score.top),
            )
            for token_id, score in zip(ids, scores[skipped:], strict=True)
        ]
        prompt = "".join(piece(token_id) for token_id in self._prompt_ids) if self._echo else ""
        body = self._answer.wire.whole(
            prompt + "".join(self._texts),
            self._last.finish,
            self._answer.usage(self._last),
            logprobs,
        )
        self._answer.reply.send(200, body)

    def refuse(self, message: str) -> None:
        """Answer that the scores could not be computed."""
        if not self._answer.reply.done:
            error = ApiError(503, message, code="scoring_failed")
            self._answer.reply.send(error.status, error.body())


def _fail(reply: Reply, delta: Delta) -> None:
    error = ApiError(503, delta.message or "the engine failed", code="engine_failed")
    reply.send(error.status, error.body())
