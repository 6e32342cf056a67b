"""From messages to token ids and from tokens back to text, piece by piece.

Uses the checkpoint's own `tokenizer.json` and chat template directly: importing transformers for
it would cost seconds of every cold start.
Not covered: templates that need tools or documents.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from jinja2.exceptions import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from paceline.runtimes.openai_face.generation import PromptRefused

_REPLACEMENT: Final = "\ufffd"  # what a decoder shows for bytes that are no character


class TextCodec:
    """Tokenizer and chat template of one checkpoint folder.

    Raises FileNotFoundError when the folder has no `tokenizer.json`, ValueError for a broken one.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: export the checkpoint again")
        text = path.read_text(encoding="utf-8")
        json.loads(text)  # the library's own error for a cut-off file has no type to catch
        self._tokenizer = Tokenizer.from_str(text)
        settings = _read_json(folder / "tokenizer_config.json")
        self._special = {
            name: _token_text(settings.get(name)) for name in ("bos_token", "eos_token")
        }
        source = _template_source(folder, settings)
        self._template = None if source is None else _template_environment().from_string(source)

    def encode(self, prompt: str, *, special: bool) -> list[int]:
        """Token ids of a prompt; `special` adds what the tokenizer puts around plain text."""
        ids: list[int] = self._tokenizer.encode(prompt, add_special_tokens=special).ids
        return ids

    def chat_prompt(self, messages: Sequence[Mapping[str, Any]], extra: Mapping[str, Any]) -> str:
        """Render the chat template with a generation prompt at its end."""
        if self._template is None:
            raise PromptRefused("the model has no chat template; use /v1/completions")
        try:
            text: str = self._template.render(
                messages=messages, add_generation_prompt=True, **self._special, **extra
            )
        except (TemplateError, TypeError, KeyError) as error:
            raise PromptRefused(f"the chat template refused the messages: {error}") from error
        return text

    def stream(self) -> TokenStream:
        """A fresh incremental decoder for one completion."""
        return TokenStream(self._tokenizer)

    def piece(self, token_id: int) -> str:
        """Text of one token by itself, as `logprobs` reports it.

        A token that is no whole character has no text: its name in the vocabulary stands for it,
        so that two of them can be told apart.
        """
        text: str = self._tokenizer.decode([token_id], skip_special_tokens=False)
        if _REPLACEMENT in text or not text:
            return str(self._tokenizer.id_to_token(token_id) or token_id)
        return text


class TokenStream:
    """Decodes tokens one by one and holds back bytes until they are whole characters."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def push(self, token_id: int) -> str:
        """Text that this token completes; empty for special tokens and unfinished characters."""
        return self._stream.step(self._tokenizer, token_id) or ""


def _template_source(folder: Path, settings: Mapping[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    source = settings.get("chat_template")
    if isinstance(source, list):  # several named templates: "default" is the one for chat
        source = next((s["template"] for s in source if s.get("name") == "default"), None)
    return source if isinstance(source, str) else None


def _template_environment() -> ImmutableSandboxedEnvironment:
    # The settings and names that Hugging Face chat templates are written against
    # (transformers, utils/chat_template_utils.py, version 5).
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.datetime.now().astimezone().strftime(pattern)


def _token_text(token: Any) -> str | None:
    if isinstance(token, Mapping):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}
