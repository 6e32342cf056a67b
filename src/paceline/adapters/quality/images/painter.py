"""Asking for pictures: each prompt and seed once (twice for a baseline), kept by their hash.

What a picture was decoded from is asked for too, and kept beside it where the server tells.

Items about the same picture share it. Nothing is retried: a failure is a result.
"""

import asyncio
import base64
import binascii
import io
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import numpy as np

from paceline.ports.archive import Archive
from paceline.ports.quality import Grader, OnProgress, StopRule
from paceline.records.image import ImageLoad
from paceline.records.load import Route, Target
from paceline.records.quality import (
    Item,
    ItemScore,
    QualityProgress,
    QualityResult,
    Reply,
    Stopped,
    Suite,
)

ANSWER_TIMEOUT_S: Final = 600.0
"""For one picture; a large model without an accelerator takes minutes."""
_DETAIL_CHARS: Final = 300

Key = tuple[str, int | None]
"""Prompt and seed: what makes a picture."""


class ImageEvaluator:
    """Evaluator over the images route. The text of a reply is the path of the kept picture.

    `twice` asks for every picture a second time: the second is the reply, the first its earlier
    one. `only` names the items to ask, `None` asks all. `transport` replaces the network in tests.
    Each `evaluate` runs an event loop of its own.
    """

    name: Final = "images"

    def __init__(
        self,
        archive: Archive,
        *,
        load: ImageLoad,
        twice: bool = False,
        only: Container[str] | None = None,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._archive = archive
        self._load = load
        self._twice = twice
        self._only = only
        self._answer_timeout_s = answer_timeout_s
        self._transport = transport

    def evaluate(
        self,
        target: Target,
        suite: Suite,
        *,
        grader: Grader,
        seed: int,
        concurrency: int,
        stop: StopRule | None = None,
        on_progress: OnProgress | None = None,
    ) -> QualityResult:
        """See `Evaluator.evaluate`. Raises ValueError for a concurrency below 1."""
        if concurrency < 1:
            raise ValueError(f"concurrency {concurrency} < 1")
        items = [
            item
            for item in suite.asking_order(seed)
            if self._only is None or item.item_id in self._only
        ]
        sheet = _Sheet(items, stop=stop, on_progress=on_progress)
        asyncio.run(self._ask_all(target, sheet, grader, concurrency=concurrency))
        return grader.summarize(suite, sheet.scores, stopped=sheet.stopped)

    async def _ask_all(
        self, target: Target, sheet: "_Sheet", grader: Grader, *, concurrency: int
    ) -> None:
        gate = asyncio.Semaphore(concurrency)
        async with httpx.AsyncClient(
            timeout=self._answer_timeout_s, transport=self._transport
        ) as client:

            async def paint(item: Item) -> Reply:
                async with gate:
                    return await self._paint(client, target, item)

            tasks: dict[Key, asyncio.Task[Reply]] = {}
            for item in sheet.items:
                if _key(item) not in tasks:
                    tasks[_key(item)] = asyncio.create_task(paint(item))
            try:
                for item in sheet.items:
                    reply = await tasks[_key(item)]
                    sheet.put(await asyncio.to_thread(grader.grade, item, reply))
                    if sheet.stopped:
                        return
            finally:
                for task in tasks.values():
                    task.cancel()
                await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _paint(self, client: httpx.AsyncClient, target: Target, item: Item) -> Reply:
        try:
            made = [await self._ask(client, target, item) for _ in range(1 + self._twice)]
        except _NoPicture as error:
            return Reply(text="", error=str(error))
        latents = [one.latents for one in reversed(made) if one.latents is not None]
        return Reply(
            text=made[-1].picture,
            earlier=tuple(one.picture for one in made[:-1]),
            latents=tuple(latents) if len(latents) == len(made) else (),
        )

    async def _ask(self, client: httpx.AsyncClient, target: Target, item: Item) -> "_Kept":
        headers = {"authorization": f"Bearer {target.api_key}"} if target.api_key else {}
        url = target.base_url.rstrip("/") + Route.IMAGES
        body = request_body(target.model, item, self._load)
        try:
            response = await client.post(url, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise _NoPicture(f"no answer in time ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise _NoPicture(f"{type(error).__name__}: {error}") from error
        if response.status_code != httpx.codes.OK:
            raise _NoPicture(f"HTTP {response.status_code}: {response.text[:_DETAIL_CHARS]}")
        try:
            told = response.json()["data"][0]
            png = base64.b64decode(told["b64_json"], validate=True)
            latents = _npy(told) if told.get("latents") is not None else None
        except (ValueError, KeyError, IndexError, TypeError, binascii.Error) as error:
            shown = response.text[:_DETAIL_CHARS]
            raise _NoPicture(f"not an OpenAI-shaped answer: {shown!r}") from error
        return _Kept(
            picture=self._archive.keep(png, suffix=".png").path,
            latents=None if latents is None else self._archive.keep(latents, suffix=".npy").path,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """Paths of a picture and, where the server told it, of what it was decoded from."""

    picture: str
    latents: str | None


def _npy(told: Mapping[str, Any]) -> bytes:
    """16-bit floats as a file that says its shape. Raises ValueError, KeyError or TypeError."""
    values = np.frombuffer(base64.b64decode(told["latents"], validate=True), dtype="<f2")
    file = io.BytesIO()
    np.save(file, values.reshape(told["latents_shape"]), allow_pickle=False)
    return file.getvalue()


class _NoPicture(Exception):
    """A request got no usable answer; the message says why."""


def request_body(model: str, item: Item, load: ImageLoad) -> dict[str, object]:
    """What is sent for one picture; what the load leaves open is the family's own choice."""
    further = {
        "num_inference_steps": load.steps,
        "guidance_scale": load.guidance,
        "scheduler": load.scheduler,
        "seed": item.seed,
    }
    return {
        "model": model,
        "prompt": _prompt(item),
        "size": f"{load.width_px}x{load.height_px}",
        "n": 1,
        "response_format": "b64_json",
        "latents": True,
        **{name: value for name, value in further.items() if value is not None},
    }


def _prompt(item: Item) -> str:
    return "\n".join(message.content or "" for message in item.messages)


def _key(item: Item) -> Key:
    return _prompt(item), item.seed


class _Sheet:
    """The scores in the order of asking, and whether a rule ended it."""

    def __init__(
        self, items: Sequence[Item], *, stop: StopRule | None, on_progress: OnProgress | None
    ) -> None:
        self.items = items
        self.scores: list[ItemScore] = []
        self.stopped: Stopped | None = None
        self._stop = stop
        self._on_progress = on_progress

    def put(self, score: ItemScore) -> None:
        """Add one score; the rule looks at all so far."""
        self.scores.append(score)
        if self._on_progress is not None:
            self._on_progress(_progress(self.scores, len(self.items)))
        self.stopped = self._stop(self.scores) if self._stop else None


def _progress(scores: Sequence[ItemScore], total: int) -> QualityProgress:
    return QualityProgress(
        answered=len(scores),
        total=total,
        score=sum(score.score for score in scores) / len(scores),
        errors=sum(score.error is not None for score in scores),
    )
