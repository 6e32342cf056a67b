"""One item over HTTP: requests in turn, the text that came back, and every way it can fail.

Knows the chat and completions routes and both forms of answer (one JSON object, or server-sent
events from servers that stream whatever was asked). Nothing is retried: a failure is a result.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from paceline.records.load import Route, Target
from paceline.records.quality import Item, Message, Reply

_DETAIL_CHARS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    text: str
    finish_reason: str | None


class _TurnFailed(Exception):
    """A turn got no usable answer; the message says why."""


async def converse(client: httpx.AsyncClient, target: Target, item: Item, *, seed: int) -> Reply:
    """Ask one item, the model's own replies filled in where the item leaves them open."""
    history: list[Message] = []
    earlier: list[str] = []
    try:
        for message in item.messages:
            if message.content is None:
                turn = await _ask(client, target, history, item=item, seed=seed)
                earlier.append(turn.text)
                history.append(Message(role=message.role, content=turn.text))
            else:
                history.append(message)
        last = await _ask(client, target, history, item=item, seed=seed)
    except _TurnFailed as error:
        return Reply(text="", earlier=tuple(earlier), error=str(error))
    return Reply(text=last.text, earlier=tuple(earlier), finish_reason=last.finish_reason)


def request_body(
    target: Target, history: Sequence[Message], *, max_tokens: int, seed: int
) -> dict[str, object]:
    """What is sent for one turn: greedy, seeded, whole answers."""
    body: dict[str, object] = {
        "model": target.model,
        "max_tokens": max_tokens,
        "temperature": 0.0,
        "seed": seed,
        "stream": False,
    }
    if target.route is Route.COMPLETIONS:
        return {**body, "prompt": plain_prompt(history)}
    return {**body, "messages": [{"role": one.role, "content": one.content} for one in history]}


def plain_prompt(history: Sequence[Message]) -> str:
    """A conversation as plain text, for models without a chat template."""
    named = [f"{one.role.capitalize()}: {one.content}" for one in history]
    return "\n\n".join([*named, "Assistant:"])


async def _ask(
    client: httpx.AsyncClient,
    target: Target,
    history: Sequence[Message],
    *,
    item: Item,
    seed: int,
) -> _Turn:
    body = request_body(target, history, max_tokens=item.max_tokens, seed=seed)
    headers = {"authorization": f"Bearer {target.api_key}"} if target.api_key else {}
    url = target.base_url.rstrip("/") + target.route
    try:
        response = await client.post(url, json=body, headers=headers)
    except httpx.TimeoutException as error:
        raise _TurnFailed(f"no answer in time ({type(error).__name__})") from error
    except httpx.HTTPError as error:
        raise _TurnFailed(f"{type(error).__name__}: {error}") from error
    if response.status_code != httpx.codes.OK:
        raise _TurnFailed(f"HTTP {response.status_code}: {response.text[:_DETAIL_CHARS]}")
    try:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return _joined(response.text)
        return _whole(response.json())
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        shown = response.text[:_DETAIL_CHARS]
        raise _TurnFailed(f"not an OpenAI-shaped answer: {shown!r}") from error


def _whole(answer: Mapping[str, list[Mapping[str, object]]]) -> _Turn:
    choice = answer["choices"][0]
    return _Turn(text=_text_of(choice, "message"), finish_reason=_reason(choice))


def _joined(events: str) -> _Turn:
    texts: list[str] = []
    reason: str | None = None
    for line in events.split("\n"):  # a text may hold other ends of lines as they are
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        choices = json.loads(data)["choices"]
        for choice in choices[:1]:
            texts.append(_text_of(choice, "delta"))
            reason = _reason(choice) or reason
    return _Turn(text="".join(texts), finish_reason=reason)


def _text_of(choice: Mapping[str, object], field: str) -> str:
    """The text of a choice; a reply without content (only a tool call) is empty text."""
    if "text" in choice:
        return _encodable(str(choice["text"] or ""))
    message = choice[field]
    if not isinstance(message, dict):
        raise TypeError(f"{field!r} is no object")
    return _encodable(str(message.get("content") or ""))


def _encodable(text: str) -> str:
    """Halves of characters joined, and single ones shown as undecodable: they can neither be sent
    back nor printed."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _reason(choice: Mapping[str, object]) -> str | None:
    reason = choice.get("finish_reason")
    return None if reason is None else str(reason)
