"""Reads distributions in one of two ways, whichever the endpoint offers.

Forced: `/v1/completions` with `echo` gives every token of a text with its alternatives. Greedy:
the chat route with `logprobs` gives them for the endpoint's own continuation of a prompt.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import httpx

from paceline.records.fidelity import FidelityReading, NextToken, Reading, TextReading
from paceline.records.load import Route, Target

ALTERNATIVES: Final = 20  # the most that servers commonly allow
LEAST: Final = -100.0
"""Natural logarithm of what is as good as impossible. Servers write -inf, -9999 or NaN for it, the
last where a model's arithmetic broke down; exponents of such numbers overflow."""
GREEDY_TOKENS: Final = 16
OPENING_WORDS: Final = 20
TIMEOUT_S: Final = 120.0
_DETAIL_CHARS: Final = 200

Tokens = tuple[NextToken, ...]
_Read = Callable[[httpx.AsyncClient, Target, str], Awaitable[Tokens]]


class _NoDistributions(Exception):
    """The endpoint does not give what was asked; the message says what it did."""


class LogprobReader:
    """DistributionReader over HTTP. `transport` replaces the network in tests."""

    def __init__(self, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport

    def read(
        self,
        target: Target,
        *,
        prompts: Sequence[str],
        concurrency: int,
        reading: Reading | None = None,
    ) -> FidelityReading:
        """See `DistributionReader.read`."""
        reasons = []
        for way in (reading,) if reading else tuple(Reading):
            texts = _texts(way, prompts)
            try:
                found = asyncio.run(self._read_all(target, texts, _WAYS[way], concurrency))
            except* _NoDistributions as group:
                reasons.append(f"{way}: {group.exceptions[0]}")
            else:
                return FidelityReading(reading=way, texts=found)
        return FidelityReading(reading=None, texts=(), unavailable="; ".join(reasons))

    async def _read_all(
        self, target: Target, texts: Mapping[str, str], read: _Read, concurrency: int
    ) -> tuple[TextReading, ...]:
        gate = asyncio.Semaphore(concurrency)  # at most so many requests are in flight
        async with httpx.AsyncClient(timeout=TIMEOUT_S, transport=self._transport) as client:

            async def one(text_id: str, text: str) -> TextReading:
                async with gate:
                    return TextReading(text_id=text_id, tokens=await read(client, target, text))

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(*entry)) for entry in texts.items()]
            return tuple(task.result() for task in tasks)


def fixed_texts() -> tuple[str, ...]:
    """The texts that come with Paceline: prose, a recipe, an explanation, code, steps, JSON."""
    text = (files(__package__) / "texts.txt").read_text(encoding="utf-8")
    return tuple(part.strip() for part in text.split("\n\n"))


def _texts(reading: Reading, prompts: Sequence[str]) -> Mapping[str, str]:
    """Whole texts to force; openings of them to continue, and the prompts either way."""
    fixed = list(fixed_texts())
    if reading is Reading.GREEDY:
        openings = (" ".join(text.split(" ")[:OPENING_WORDS]) for text in fixed)
        fixed = [f"Continue this text: {opening}" for opening in openings]
    return {
        **{f"text-{number}": text for number, text in enumerate(fixed)},
        **{f"prompt-{number}": text for number, text in enumerate(prompts)},
    }


async def _read_forced(client: httpx.AsyncClient, target: Target, text: str) -> Tokens:
    body = {"prompt": text, "max_tokens": 1, "echo": True, "logprobs": ALTERNATIVES}
    found = await _ask(client, target, Route.COMPLETIONS, body, _forced_tokens)
    if not found:
        raise _NoDistributions("`echo` was ignored")
    return found


async def _read_greedy(client: httpx.AsyncClient, target: Target, text: str) -> Tokens:
    body = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": GREEDY_TOKENS,
        "logprobs": True,
        "top_logprobs": ALTERNATIVES,
    }
    return await _ask(client, target, Route.CHAT, body, _greedy_tokens)


_WAYS: Final[Mapping[Reading, _Read]] = {
    Reading.FORCED: _read_forced,
    Reading.GREEDY: _read_greedy,
}


def _forced_tokens(listed: Any) -> Tokens:
    """All but the first token, which has no context, and the last, which was generated.

    A position that the server leaves out (`null`: cached, or cut off) is left out here too.
    """
    inner = slice(1, -1)
    return tuple(
        NextToken(text=token, logprob=_nats(logprob), top=_all_nats((top or {}).items()))
        for token, logprob, top in zip(
            listed["tokens"][inner],
            listed["token_logprobs"][inner],
            listed["top_logprobs"][inner],
            strict=True,
        )
        if logprob is not None
    )


def _greedy_tokens(listed: Any) -> Tokens:
    return tuple(
        NextToken(
            text=_name(at),
            logprob=_nats(at["logprob"]),
            top=_all_nats((_name(one), one["logprob"]) for one in at["top_logprobs"]),
        )
        for at in listed["content"]
    )


def _all_nats(listed: Iterable[tuple[str, Any]]) -> dict[str, float]:
    return {token: LEAST if value is None else _nats(value) for token, value in listed}


def _nats(value: Any) -> float:
    """A logarithm of a probability as the comparison takes it. Raises TypeError and ValueError."""
    found = float(value)
    return LEAST if math.isnan(found) else max(found, LEAST)


def _name(at: Mapping[str, Any]) -> str:
    """The token's text; llama.cpp gives special tokens none, so there its number stands for it."""
    text = at["token"]
    return f"token {at['id']}" if text == "" and "id" in at else str(text)


async def _ask(
    client: httpx.AsyncClient,
    target: Target,
    route: Route,
    body: Mapping[str, object],
    parse: Callable[[Any], Tokens],
) -> Tokens:
    headers = {"authorization": f"Bearer {target.api_key}"} if target.api_key else {}
    common = {"model": target.model, "temperature": 0.0, "stream": False}
    url = target.base_url.rstrip("/") + route
    try:
        response = await client.post(url, json={**common, **body}, headers=headers)
    except httpx.HTTPError as error:
        raise _NoDistributions(f"{type(error).__name__}: {error}") from error
    if response.status_code != httpx.codes.OK:
        raise _NoDistributions(f"HTTP {response.status_code}: {response.text[:_DETAIL_CHARS]}")
    try:
        return parse(response.json()["choices"][0]["logprobs"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _NoDistributions("the answer has no `logprobs` with alternatives") from error
