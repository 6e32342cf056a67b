"""Routes requests to the engine and its deltas back to the sockets; drains on shutdown.

Everything here runs on the event loop and returns at once: answers are written by callbacks as
the engine delivers, without a task per request.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from paceline.runtimes.openai_face.api import (
    ApiError,
    CompletionCall,
    Wire,
    embeddings_body,
    models_body,
    read_call,
    read_embedding_call,
)
from paceline.runtimes.openai_face.generation import (
    Codec,
    Delta,
    Embedder,
    Engine,
    Generation,
    PromptRefused,
    Scorer,
)
from paceline.runtimes.openai_face.metrics import CONTENT_TYPE, ServerMetrics
from paceline.runtimes.openai_face.protocol import HttpProtocol, HttpRequest, Reply
from paceline.runtimes.openai_face.relay import Answer, Relay, ScoredRelay, StreamRelay, WholeRelay

log = logging.getLogger("openai_face")

_CHAT: Final = "/v1/chat/completions"
_TEXT: Final = "/v1/completions"
_EMBEDDINGS: Final = "/v1/embeddings"
_ABORT_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve; `max_waiting` bounds the requests beyond what the engine decodes at once."""

    host: str
    port: int
    model_name: str
    context_tokens: int
    max_in_flight: int
    grace_s: float


class Server:
    """The HTTP side of one engine.

    Without a `scorer`, alternatives to tokens are refused; without an `embedder`, there is no
    route for embeddings.
    """

    def __init__(
        self,
        options: ServeOptions,
        *,
        engine: Engine,
        codec: Codec,
        metrics: ServerMetrics,
        scorer: Scorer | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._options = options
        self._engine = engine
        self._codec = codec
        self._metrics = metrics
        self._scorer = scorer
        self._embedder = embedder
        self._scoring_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scorer")
        self._scoring: set[asyncio.Task[None]] = set()
        self._connections: set[HttpProtocol] = set()
        self._in_flight: set[Generation] = set()
        self._idle = asyncio.Event()
        self._draining = False
        self._created_s = int(time.time())
        self._prefix = uuid.uuid4().hex[:12]
        self._ids = itertools.count()

    async def serve(self, until: asyncio.Event) -> int:
        """Serve until the event is set, then drain; returns how many requests were cut off."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: HttpProtocol(self.handle, self._connections),
            self._options.host,
            self._options.port,
            backlog=1024,
        )
        log.info("serving %s on port %d", self._options.model_name, self._options.port)
        await until.wait()
        listener.close()
        return await self._drain()

    def handle(self, request: HttpRequest, reply: Reply) -> None:
        """Answer one request, now or through callbacks."""
        try:
            self._route(request)(request, reply)
        except ApiError as error:
            busy = error.status == HTTPStatus.SERVICE_UNAVAILABLE
            headers = {"retry-after": "1"} if busy else None
            reply.send(error.status, error.body(), headers=headers)

    def _route(self, request: HttpRequest) -> Callable[[HttpRequest, Reply], None]:
        routes: dict[str, tuple[str, Callable[[HttpRequest, Reply], None]]] = {
            "/health": ("GET", self._health),
            "/metrics": ("GET", self._show_metrics),
            "/v1/models": ("GET", self._models),
            _CHAT: ("POST", self._complete),
            _TEXT: ("POST", self._complete),
        }
        if self._embedder is not None:
            routes[_EMBEDDINGS] = ("POST", self._embed)
        if request.path not in routes:
            raise ApiError(404, f"no such route: {request.path!r}")
        method, handler = routes[request.path]
        if request.method != method:
            raise ApiError(405, f"{request.path} takes {method}, not {request.method!r}")
        return handler

    def _health(self, _request: HttpRequest, reply: Reply) -> None:
        state = "draining" if self._draining else "ok" if self._engine.alive else "dead"
        reply.send(200 if state == "ok" else 503, b'{"status":"%b"}' % state.encode())

    def _show_metrics(self, _request: HttpRequest, reply: Reply) -> None:
        reply.send(200, self._metrics.page(), content_type=CONTENT_TYPE)

    def _models(self, _request: HttpRequest, reply: Reply) -> None:
        reply.send(200, models_body((self._options.model_name,), self._created_s))

    def _complete(self, request: HttpRequest, reply: Reply) -> None:
        self._check_capacity()
        chat = request.path == _CHAT
        call = read_call(request.body, chat=chat)
        self._check_model(call.model)
        prompt_ids = self._prompt_ids(call)
        wire = Wire(
            request_id=f"{'chatcmpl' if chat else 'cmpl'}-{self._prefix}-{next(self._ids)}",
            model=self._options.model_name,
            created_s=int(time.time()),
            chat=chat,
        )
        answer = Answer(
            reply=reply,
            wire=wire,
            codec=self._codec,
            prompt_tokens=len(prompt_ids),
            include_usage=call.include_usage,
        )
        relay = self._relay_for(call, answer, prompt_ids)
        if call.sampling.max_tokens == 0:  # the prompt alone is to be scored
            nothing = Delta(text="", token_ids=(), logprobs=(), completion_tokens=0)
            relay.take(replace(nothing, finish="length"))
            return
        self._generate(call, prompt_ids, relay, reply)

    def _embed(self, request: HttpRequest, reply: Reply) -> None:
        if self._embedder is None:
            raise AssertionError("the route is there only with an embedder")
        self._check_capacity()
        call = read_embedding_call(request.body)
        self._check_model(call.model)
        inputs = [
            self._codec.encode(one, special=True) if isinstance(one, str) else list(one)
            for one in call.inputs
        ]
        longest = max(map(len, inputs))
        if longest > self._options.context_tokens:
            raise ApiError(
                400,
                f"an input has {longest} tokens; the context has {self._options.context_tokens}",
                code="context_length_exceeded",
                param="input",
            )
        vectors = [self._embedder.embed(ids) for ids in inputs]
        tokens = sum(map(len, inputs))
        model = self._options.model_name
        reply.send(200, embeddings_body(model, vectors, tokens, packed=call.packed))

    def _check_model(self, model: str | None) -> None:
        if model not in (None, self._options.model_name):
            raise ApiError(
                404,
                f"the model {model!r} does not exist; this is {self._options.model_name!r}",
                code="model_not_found",
                param="model",
            )

    def _relay_for(self, call: CompletionCall, answer: Answer, prompt_ids: list[int]) -> Relay:
        if call.scoring is None:
            return StreamRelay(answer) if call.stream else WholeRelay(answer)
        scorer, top = self._scorer, call.scoring.top
        if scorer is None:
            name = "echo" if call.scoring.echo else "top_logprobs"
            raise ApiError(400, f"'{name}' is not supported by this engine", param=name)

        def hand_over(relay: ScoredRelay, ids: list[int]) -> None:
            task = asyncio.get_running_loop().create_task(self._score(scorer, relay, ids, top))
            self._scoring.add(task)
            task.add_done_callback(self._scoring.discard)

        return ScoredRelay(
            answer, prompt_ids=prompt_ids, echo=call.scoring.echo, hand_over=hand_over
        )

    async def _score(self, scorer: Scorer, relay: ScoredRelay, ids: list[int], top: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            scores = await loop.run_in_executor(
                self._scoring_thread, lambda: scorer.score(ids, top=top)
            )
        except (RuntimeError, MemoryError) as error:
            log.exception("cannot score %d tokens", len(ids))
            relay.refuse(f"the tokens could not be scored: {error}")
        else:
            relay.send(scores)

    def _generate(
        self, call: CompletionCall, prompt_ids: list[int], relay: Relay, reply: Reply
    ) -> None:
        generation = Generation(
            prompt_ids=prompt_ids,
            sampling=replace(call.sampling, max_tokens=self._limit(call, len(prompt_ids))),
            stream=self._codec.stream(),
            stop=call.stop,
            on_delta=lambda delta: self._relay(generation, relay, delta),
        )
        reply.on_gone = lambda: self._abandon(generation)
        self._in_flight.add(generation)
        self._engine.submit(generation)

    def _check_capacity(self) -> None:
        if self._draining or not self._engine.alive:
            raise ApiError(503, "this server is shutting down", code="shutting_down")
        if len(self._in_flight) >= self._options.max_in_flight:
            raise ApiError(
                503,
                f"{len(self._in_flight)} requests are in flight; at most "
                f"{self._options.max_in_flight}",
                code="queue_full",
            )

    def _prompt_ids(self, call: CompletionCall) -> list[int]:
        if call.messages is not None:
            try:
                text = self._codec.chat_prompt(call.messages, call.template_arguments)
            except PromptRefused as error:
                raise ApiError(400, str(error), param="messages") from error
            ids = self._codec.encode(text, special=False)
        elif isinstance(call.prompt, str):
            ids = self._codec.encode(call.prompt, special=True)
        else:
            ids = list(call.prompt or ())
        if not ids:
            raise ApiError(400, "the prompt has no tokens", param="prompt")
        return ids

    def _limit(self, call: CompletionCall, prompt_tokens: int) -> int:
        room = self._options.context_tokens - prompt_tokens
        wanted = call.sampling.max_tokens
        if room < 1 or (wanted or 1) > room:
            raise ApiError(
                400,
                f"{prompt_tokens} prompt tokens + {wanted or 1} to generate exceed the context of "
                f"{self._options.context_tokens} tokens",
                code="context_length_exceeded",
                param="messages" if call.messages is not None else "prompt",
            )
        return wanted if wanted is not None else room

    def _relay(self, generation: Generation, relay: Relay, delta: Delta) -> None:
        relay.take(delta)
        if delta.finish is not None:
            self._forget(generation)

    def _abandon(self, generation: Generation) -> None:
        self._engine.cancel(generation)
        self._forget(generation)

    def _forget(self, generation: Generation) -> None:
        self._in_flight.discard(generation)
        if not self._in_flight:
            self._idle.set()

    async def _drain(self) -> int:
        self._draining = True
        self._idle.clear()
        log.info("draining %d requests", len(self._in_flight))
        if self._in_flight:
            try:
                await asyncio.wait_for(self._idle.wait(), self._options.grace_s)
            except TimeoutError:
                log.warning("%d requests cut off", len(self._in_flight))
        if self._scoring:
            await asyncio.wait(self._scoring, timeout=self._options.grace_s)
        cut_off = len(self._in_flight)
        for generation in tuple(self._in_flight):
            self._engine.cancel(generation)
        for connection in tuple(self._connections):
            connection.close_when_idle()
        self._engine.stop()
        await asyncio.to_thread(self._engine.join, _ABORT_WAIT_S)
        return cut_off
