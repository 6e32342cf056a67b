"""What the face and an engine say to each other: requests, what each step adds, and text.

One side is the event loop, the other the engine's thread or tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from paceline.runtimes.openai_face.api import Sampling
from paceline.runtimes.openai_face.stops import StopMatcher


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


class PromptRefused(ValueError):
    """The messages do not fit the model's chat template; the text says why."""


class TokenStream(Protocol):
    """Incremental decoder of one completion."""

    def push(self, token_id: int) -> str:
        """Text that this token completes; empty for special tokens and unfinished characters."""
        ...


class Codec(Protocol):
    """Tokenizer and chat template of one model."""

    def encode(self, prompt: str, *, special: bool) -> list[int]:
        """Token ids of a prompt; `special` adds what the tokenizer puts around plain text."""
        ...

    def chat_prompt(self, messages: Sequence[Mapping[str, Any]], extra: Mapping[str, Any]) -> str:
        """The prompt of a conversation; raises PromptRefused."""
        ...

    def stream(self) -> TokenStream:
        """A fresh decoder."""
        ...

    def piece(self, token_id: int) -> str:
        """Text of one token by itself, as `logprobs` reports it."""
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScore:
    """How likely one token was after those before it; natural logarithms.

    `None` for a first token. `top` are the most likely token ids, best first.
    """

    logprob: float | None
    top: tuple[tuple[int, float], ...]


class Embedder(Protocol):
    """Makes a vector of a text; the same one each time."""

    def embed(self, ids: Sequence[int]) -> Sequence[float]:
        """Of unit length. Called on the event loop: it must take well under a millisecond."""
        ...


class Scorer(Protocol):
    """What the model says of a given text. Blocks, so call it off the event loop."""

    def score(self, ids: Sequence[int], *, top: int) -> Sequence[TokenScore]:
        """One entry per token. Raises RuntimeError or MemoryError when it cannot be computed."""
        ...


class Engine(Protocol):
    """What turns prompts into tokens. `alive` is false once it can no longer answer."""

    alive: bool

    def submit(self, generation: Generation) -> None:
        """Queue a generation; its deltas follow until one has a `finish`."""
        ...

    def cancel(self, generation: Generation) -> None:
        """Drop a generation soon; no further delta follows."""
        ...

    def stop(self) -> None:
        """Finish what was submitted, then end."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end; blocks, so call it off the event loop."""
        ...
