"""The OpenAI wire format: bodies in, checked; chunks, completions and errors out. Pure.

Unknown fields are ignored, as vLLM does; known fields that this server cannot honour are refused,
because an ignored `n` or `tools` gives a wrong answer that looks right.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

MAX_STOPS: Final = 16
MAX_ALTERNATIVES: Final = 20
"""As many as OpenAI's API lists per token."""
_REFUSED: Final = ("tools", "functions", "response_format", "logit_bias", "suffix")


class ApiError(Exception):
    """An answer that is an error, in OpenAI's shape."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> bytes:
        """The JSON body."""
        ours = self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = "server_error" if ours else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return json.dumps({"error": error}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to choose tokens; `None` leaves the model's own default."""

    max_tokens: int | None
    min_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    ignore_eos: bool
    logprobs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What the model itself is asked about tokens: the `top` most likely at each position, and
    with `echo` also over the prompt."""

    top: int
    echo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionCall:
    """One completion request, checked. Exactly one of `messages` and `prompt` is set.

    `scoring` is `None` when no alternatives were asked for.
    """

    model: str | None
    messages: tuple[Mapping[str, Any], ...] | None
    prompt: str | tuple[int, ...] | None
    template_arguments: Mapping[str, Any]
    sampling: Sampling
    stop: tuple[str, ...]
    stream: bool
    include_usage: bool
    scoring: Scoring | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingCall:
    """Texts or lists of token ids to embed. `packed` answers are base64 of 32-bit floats."""

    model: str | None
    inputs: tuple[str | tuple[int, ...], ...]
    packed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one request."""

    prompt_tokens: int
    completion_tokens: int

    def as_json(self) -> dict[str, int]:
        """OpenAI's `usage` object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """The token that stands there and the logarithm of its probability.

    `logprob` is `None` for the first token of a prompt, which follows nothing. `top` are the most
    likely tokens, best first; empty when they were not asked for.
    """

    token: str
    logprob: float | None
    top: tuple[tuple[str, float], ...] = ()


def read_call(body: bytes, *, chat: bool) -> CompletionCall:
    """Parse and check a request body; raises ApiError 400 naming the field."""
    fields = _object(body)
    for name in _REFUSED:
        if fields.get(name) not in (None, False, [], {}, ""):
            raise ApiError(400, f"'{name}' is not supported by this engine", param=name)
    if _integer(fields, "n", low=1) not in (None, 1):
        raise ApiError(400, "'n' must be 1: this engine answers once per request", param="n")
    options = fields.get("stream_options") or {}
    if not isinstance(options, dict):
        raise ApiError(400, "'stream_options' must be an object", param="stream_options")
    extra = fields.get("chat_template_kwargs") or {}
    if not isinstance(extra, dict):
        raise ApiError(
            400, "'chat_template_kwargs' must be an object", param="chat_template_kwargs"
        )
    return CompletionCall(
        model=_string(fields, "model"),
        messages=_messages(fields) if chat else None,
        prompt=None if chat else _prompt(fields),
        template_arguments=extra,
        sampling=_sampling(fields, chat=chat),
        stop=_stops(fields.get("stop")),
        stream=_flag(fields, "stream"),
        include_usage=bool(options.get("include_usage", False)),
        scoring=_scoring(fields, chat=chat),
    )


def read_embedding_call(body: bytes) -> EmbeddingCall:
    """Parse and check a request body; raises ApiError 400 naming the field."""
    fields = _object(body)
    if fields.get("dimensions") is not None:
        raise ApiError(400, "'dimensions' is not supported by this engine", param="dimensions")
    encoding = _string(fields, "encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise ApiError(400, "'encoding_format' is float or base64", param="encoding_format")
    return EmbeddingCall(
        model=_string(fields, "model"), inputs=_inputs(fields), packed=encoding == "base64"
    )


def embeddings_body(
    model: str, vectors: Sequence[Sequence[float]], prompt_tokens: int, *, packed: bool
) -> bytes:
    """The answer to an embedding call; vectors in the order of its inputs."""
    shown = [
        base64.b64encode(struct.pack(f"<{len(one)}f", *one)).decode() if packed else list(one)
        for one in vectors
    ]
    data = [
        {"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(shown)
    ]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()


class Wire:
    """Formats the answers to one call; the constant part of each chunk is made once."""

    def __init__(self, *, request_id: str, model: str, created_s: int, chat: bool) -> None:
        self._chat = chat
        self._base = {"id": request_id, "created": created_s, "model": model}
        kind = "chat.completion.chunk" if chat else "text_completion"
        head = json.dumps({**self._base, "object": kind})[:-1]
        opening = '"delta":{"content":' if chat else '"text":'
        self._before = f'data: {head},"choices":[{{"index":0,{opening}'.encode()
        self._after = (b"}" if chat else b"") + b',"logprobs":null,"finish_reason":null}]}\n\n'
        self._chunk_kind = kind

    def opening(self) -> bytes:
        """The first chat chunk, which names the role and carries no output."""
        return self._event({"role": "assistant", "content": ""}) if self._chat else b""

    def text(self, text: str, logprobs: Sequence[TokenLogprob]) -> bytes:
        """A chunk of output."""
        if logprobs:
            return self._event({"content": text}, text=text, logprobs=logprobs)
        return self._before + json.dumps(text).encode() + self._after

    def closing(self, finish: str, usage: Usage | None) -> bytes:
        """The chunk with the finish reason, the usage chunk if wanted, and the end mark."""
        out = self._event({}, finish=finish)
        if usage is not None:
            out += self._dump({"choices": [], "usage": usage.as_json()})
        return out + b"data: [DONE]\n\n"

    @staticmethod
    def failure(error: ApiError) -> bytes:
        """An error after the stream began."""
        return b"data: " + error.body() + b"\n\n"

    def whole(
        self, text: str, finish: str, usage: Usage, logprobs: Sequence[TokenLogprob]
    ) -> bytes:
        """The body of an answer that is not streamed."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        choice["logprobs"] = self._logprobs(logprobs)
        if self._chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        kind = "chat.completion" if self._chat else "text_completion"
        answer = {**self._base, "object": kind, "choices": [choice], "usage": usage.as_json()}
        return json.dumps(answer).encode()

    def _event(
        self,
        delta: Mapping[str, str],
        *,
        text: str = "",
        finish: str | None = None,
        logprobs: Sequence[TokenLogprob] = (),
    ) -> bytes:
        choice: dict[str, Any] = {"index": 0, "logprobs": self._logprobs(logprobs)}
        choice["finish_reason"] = finish
        if self._chat:
            choice["delta"] = delta
        else:
            choice["text"] = text
        return self._dump({"choices": [choice]})

    def _dump(self, fields: Mapping[str, Any]) -> bytes:
        event = {**self._base, "object": self._chunk_kind, **fields}
        return b"data: " + json.dumps(event).encode() + b"\n\n"

    def _logprobs(self, logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if not logprobs:
            return None
        if self._chat:
            return {
                "content": [
                    {
                        "token": item.token,
                        "logprob": item.logprob,
                        "bytes": list(item.token.encode()),
                        "top_logprobs": [
                            {"token": token, "logprob": logprob, "bytes": list(token.encode())}
                            for token, logprob in item.top
                        ],
                    }
                    for item in logprobs
                ]
            }
        return {
            "tokens": [item.token for item in logprobs],
            "token_logprobs": [item.logprob for item in logprobs],
            "top_logprobs": [dict(item.top) or None for item in logprobs]
            if any(item.top for item in logprobs)
            else None,
        }


def models_body(names: Sequence[str], created_s: int) -> bytes:
    """The body of `GET /v1/models`."""
    data = [
        {"id": name, "object": "model", "created": created_s, "owned_by": "local"} for name in names
    ]
    return json.dumps({"object": "list", "data": data}).encode()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object")
    return value


def _messages(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "'messages' must be a list with at least one message", param="messages")
    return tuple(_message(item) for item in messages)


def _message(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("role"), str):
        raise ApiError(400, "each message needs a 'role' and a 'content'", param="messages")
    content = item.get("content")
    if isinstance(content, list):
        content = "".join(_text_part(part) for part in content)
    if content is None:
        content = ""
    if not isinstance(content, str):
        raise ApiError(400, "a message's 'content' must be text", param="messages")
    return {**item, "content": content}


def _text_part(part: Any) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    raise ApiError(400, "only text parts are supported in 'content'", param="messages")


def _prompt(fields: Mapping[str, Any]) -> str | tuple[int, ...]:
    prompt = fields.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]  # a batch of one
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, list) and prompt and all(type(item) is int for item in prompt):
        return tuple(prompt)
    raise ApiError(400, "'prompt' must be one text or one list of token ids", param="prompt")


def _inputs(fields: Mapping[str, Any]) -> tuple[str | tuple[int, ...], ...]:
    """One text, several, one list of token ids, or several."""
    value = fields.get("input")
    several: list[Any] = [value]
    if isinstance(value, list) and not _is_ids(value):
        several = value
    if several and all((isinstance(one, str) and one) or _is_ids(one) for one in several):
        return tuple(one if isinstance(one, str) else tuple(one) for one in several)
    raise ApiError(
        400, "'input' must be a text, token ids, or a list of these, none empty", param="input"
    )


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _sampling(fields: Mapping[str, Any], *, chat: bool) -> Sampling:
    limit = _integer(fields, "max_completion_tokens", low=1)
    least = 0 if not chat and _flag(fields, "echo") else 1
    return Sampling(
        max_tokens=limit if limit is not None else _integer(fields, "max_tokens", low=least),
        min_tokens=_integer(fields, "min_tokens", low=0),
        temperature=_number(fields, "temperature", low=0.0, high=2.0),
        top_p=_number(fields, "top_p", low=0.0, high=1.0),
        top_k=_integer(fields, "top_k", low=-1),
        seed=_integer(fields, "seed", low=-(2**63)),
        frequency_penalty=_number(fields, "frequency_penalty", low=-2.0, high=2.0),
        presence_penalty=_number(fields, "presence_penalty", low=-2.0, high=2.0),
        ignore_eos=_flag(fields, "ignore_eos"),
        logprobs=_flag(fields, "logprobs") if chat else bool(_integer(fields, "logprobs", low=0)),
    )


def _scoring(fields: Mapping[str, Any], *, chat: bool) -> Scoring | None:
    """Alternatives over the prompt or the answer; they come with the whole answer only."""
    name = "top_logprobs" if chat else "logprobs"
    top = _integer(fields, name, low=0) or 0
    echo = _flag(fields, "echo")
    if top > MAX_ALTERNATIVES:
        raise ApiError(400, f"'{name}' is {top}; at most {MAX_ALTERNATIVES}", param=name)
    if echo and (chat or not top):
        raise ApiError(400, "'echo' needs 'logprobs' and /v1/completions", param="echo")
    if chat and top and not _flag(fields, "logprobs"):
        raise ApiError(400, "'top_logprobs' needs 'logprobs'", param="top_logprobs")
    if not echo and not (chat and top):
        return None
    if _flag(fields, "stream"):
        raise ApiError(400, f"'{name}' with alternatives cannot be streamed", param="stream")
    return Scoring(top=top, echo=echo)


def _stops(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise ApiError(400, "'stop' must be a text or a list of texts, none empty", param="stop")
    if len(stops) > MAX_STOPS:
        raise ApiError(400, f"'stop' has {len(stops)} texts; at most {MAX_STOPS}", param="stop")
    return tuple(stops)


def _string(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ApiError(400, f"'{name}' must be a text", param=name)
    return value


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise ApiError(400, f"'{name}' must be true or false", param=name)
    return bool(value)


def _integer(fields: Mapping[str, Any], name: str, *, low: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not int or not low <= value < 2**63:
        raise ApiError(
            400, f"'{name}' must be a whole number from {low}, not {value!r}", param=name
        )
    return int(value)


def _number(fields: Mapping[str, Any], name: str, *, low: float, high: float) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not low <= value <= high:
        raise ApiError(
            400, f"'{name}' must be a number from {low:g} to {high:g}, not {value!r}", param=name
        )
    return float(value)
