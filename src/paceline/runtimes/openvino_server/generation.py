"""One request in the engine and what each step adds to it. Pure, but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .api import Sampling
from .text import StopMatcher, TokenStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one step added to one generation. `finish` is set on the last one.

    `finish` is OpenAI's `stop` or `length`, or `error` with its `message`.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    completion_tokens: int
    finish: str | None = None
    message: str | None = None


class Generation:
    """One request in the engine. `on_delta` runs on the event loop."""

    def __init__(
        self,
        *,
        prompt_ids: list[int],
        sampling: Sampling,
        stream: TokenStream,
        stop: tuple[str, ...],
        on_delta: Callable[[Delta], None],
    ) -> None:
        self.prompt_ids = prompt_ids
        self.sampling = sampling
        self.on_delta = on_delta
        self.cancelled = False
        self.submitted_s = time.monotonic()
        self.first_token_s: float | None = None
        self.tokens = 0
        self.handle: Any = None
        self._stream = stream
        self._stops = StopMatcher(stop)

    def feed(self, ids: list[int], logprobs: list[float], finish: str | None) -> Delta:
        """Turn new tokens into text; a stop string met ends the generation here."""
        if ids and self.first_token_s is None:
            self.first_token_s = time.monotonic()
        pieces: list[str] = []
        used = 0
        for token_id in ids:
            used += 1
            text, stopped = self._stops.push(self._stream.push(token_id))
            pieces.append(text)
            if stopped:
                finish = "stop"
                break
        self.tokens += used
        if finish is not None:
            pieces.append(self._stops.flush())
        return Delta(
            text="".join(pieces),
            token_ids=tuple(ids[:used]),
            logprobs=tuple(logprobs[:used]) if self.sampling.logprobs else (),
            completion_tokens=self.tokens,
            finish=finish,
        )

    def failed(self, message: str) -> Delta:
        """The last delta of a generation that could not go on."""
        return Delta(
            text="",
            token_ids=(),
            logprobs=(),
            completion_tokens=self.tokens,
            finish="error",
            message=message,
        )
