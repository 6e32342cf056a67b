"""The HTTP side: routes, bodies in and out, clients that leave. Thin, on Starlette."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from paceline.runtimes.image_server.ask import Ask, Reader
from paceline.runtimes.image_server.files import FileShelf
from paceline.runtimes.image_server.metrics import ImageMetrics
from paceline.runtimes.image_server.openapi import document
from paceline.runtimes.image_server.orders import Order, Painted, Result
from paceline.runtimes.image_server.png import png
from paceline.runtimes.image_server.problems import Problem
from paceline.runtimes.image_server.starting import Starting
from paceline.runtimes.image_server.worker import Worker
from paceline.runtimes.openai_face.metrics import CONTENT_TYPE

MOST_BODY_BYTES: Final = 2**20
"""A prompt of the longest kind, each character escaped, takes less than half."""
_STARTING_RETRY_S: Final = 5
_MS_PER_S: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the routes talk to."""

    reader: Reader
    worker: Worker
    starting: Starting
    metrics: ImageMetrics
    shelf: FileShelf
    facts: Callable[[], Mapping[str, Any]]
    """What `/inspect` shows; asked only once the start is over."""


def build_app(desk: Desk) -> Starlette:
    """The ASGI application."""
    api = _Api(desk)
    return Starlette(
        routes=[
            Route("/health", api.health, methods=["GET"]),
            Route("/metrics", api.metrics, methods=["GET"]),
            Route("/inspect", api.inspect, methods=["GET"]),
            Route("/openapi.json", api.openapi, methods=["GET"]),
            Route("/v1/models", api.models, methods=["GET"]),
            Route("/v1/images/generations", api.generate, methods=["POST"]),
            Route("/v1/images/files/{name}", api.file, methods=["GET"]),
        ],
        exception_handlers={
            Problem: _answer_problem,
            HTTPException: _answer_http,
            Exception: _answer_fault,
        },
    )


class _Api:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._created_s = int(time.time())

    async def health(self, _request: Request) -> Response:
        desk = self._desk
        if desk.worker.broken:
            return JSONResponse({"status": "dead"}, 503)
        if not desk.starting.done:
            return JSONResponse(desk.starting.as_json(), 503)
        return JSONResponse({"status": "ok"})

    async def metrics(self, _request: Request) -> Response:
        return Response(self._desk.metrics.page(), headers={"content-type": CONTENT_TYPE})

    async def inspect(self, _request: Request) -> Response:
        self._check_started()
        return JSONResponse({**self._desk.facts(), "phases_s": self._desk.starting.phases_s})

    async def openapi(self, _request: Request) -> Response:
        return JSONResponse(document(self._desk.reader.fields.values()))

    async def models(self, _request: Request) -> Response:
        name = self._desk.reader.model_name
        item = {"id": name, "object": "model", "created": self._created_s, "owned_by": "local"}
        return JSONResponse({"object": "list", "data": [item]})

    async def file(self, request: Request) -> Response:
        query = request.query_params
        data = self._desk.shelf.get(
            request.path_params["name"], query.get("expires", ""), query.get("signature", "")
        )
        if data is None:
            raise Problem(
                404,
                "no such file: its address is wrong or has expired, or newer files made room",
                code="no_such_file",
            )
        return Response(data, media_type="image/png", headers={"cache-control": "private"})

    async def generate(self, request: Request) -> Response:
        self._check_started()
        began_s = time.monotonic()
        ask = self._desk.reader.read(await _body(request))
        result = await self._paint(ask, request)
        if result is None:
            return Response(status_code=499)  # nobody reads it
        data = [
            await self._item(ask, index, picture, request)
            for index, picture in enumerate(result.pictures)
        ]
        answer = JSONResponse(
            {
                "created": int(time.time()),
                "data": data,
                "inference_ms": round(result.inference_s * _MS_PER_S, 3),
                "width": ask.shape.width_px,
                "height": ask.shape.height_px,
                "model": self._desk.reader.model_name,
                "seed": ask.seed,
            }
        )
        # Only now: writing a large PNG takes longer than some models take to make it.
        self._desk.metrics.request_s.observe(time.monotonic() - began_s)
        return answer

    async def _paint(self, ask: Ask, request: Request) -> Result | None:
        """The pictures; `None` when the client left first. Raises Problem."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result | Problem | None] = loop.create_future()

        def answer(outcome: Result | Problem) -> None:  # called by the worker's thread
            loop.call_soon_threadsafe(_settle, done, outcome)

        order = Order(ask, submitted_s=time.monotonic(), answer=answer)
        self._desk.worker.submit(order)
        gone = asyncio.create_task(_gone(request))
        gone.add_done_callback(lambda _: _settle(done, None))
        try:
            outcome = await done
        finally:
            gone.cancel()
            self._desk.worker.leave(order)  # nothing happens where it was answered
        if outcome is None:
            return None
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    async def _item(
        self, ask: Ask, index: int, picture: Painted, request: Request
    ) -> dict[str, Any]:
        metadata = self._metadata(ask, index) if ask.with_metadata else None
        # In a thread: the event loop goes on, and the pipeline is not kept waiting.
        data = await asyncio.to_thread(png, picture.pixels, metadata)
        item: dict[str, Any]
        if ask.as_url:
            path = self._desk.shelf.put(data)  # in this thread: the shelf knows no other
            item = {"url": str(request.base_url).rstrip("/") + path}
        else:
            item = {"b64_json": base64.b64encode(data).decode()}
        if picture.latents is not None:
            item["latents"] = base64.b64encode(picture.latents.tobytes()).decode()
            item["latents_shape"] = list(picture.latents.shape)
        return item

    def _metadata(self, ask: Ask, index: int) -> dict[str, Any]:
        shape = ask.shape
        return {
            "prompt": ask.prompt,
            "negative_prompt": ask.negative_prompt,
            "model": self._desk.reader.model_name,
            "seed": ask.seed_of(index),
            "steps": shape.steps,
            "guidance": shape.guidance,
            "scheduler": shape.scheduler,
        }

    def _check_started(self) -> None:
        if not self._desk.starting.done:
            how_far = self._desk.starting.as_json()
            raise Problem(
                503,
                f"the model is still being loaded: {how_far['phase']} since {how_far['phase_s']} s",
                code="starting",
                retry_after_s=_STARTING_RETRY_S,
            )


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise Problem(
                413,
                f"the body is longer than {MOST_BODY_BYTES} bytes",
                code="body_too_long",
                details={"bound": MOST_BODY_BYTES},
            )
    return bytes(body)


async def _gone(request: Request) -> None:
    """Returns when the client has closed its connection; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _settle(
    done: asyncio.Future[Result | Problem | None], outcome: Result | Problem | None
) -> None:
    if not done.done():
        done.set_result(outcome)


async def _answer_problem(_request: Request, error: Exception) -> Response:
    problem = cast("Problem", error)
    return JSONResponse(problem.body(), problem.status, headers=problem.headers())


async def _answer_fault(_request: Request, error: Exception) -> Response:
    """Our own bug, or a full disk; the traceback goes to the log."""
    words = f"the server failed: {type(error).__name__}: {error}"
    problem = Problem(500, words, code="server_failed")
    return JSONResponse(problem.body(), problem.status)


async def _answer_http(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    path = request.url.path
    problem = Problem(
        refused.status_code,
        f"{path!a} does not take {request.method!a}"
        if refused.status_code == 405  # noqa: PLR2004 - "method not allowed", in every book
        else f"no such route: {path!a}",
        code="no_such_route",
    )
    return JSONResponse(problem.body(), problem.status, headers=dict(refused.headers or {}))
