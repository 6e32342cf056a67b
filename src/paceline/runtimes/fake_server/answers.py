"""What the fake engine answers: the items of a suite, rightly or wrongly by plan, else filler."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_WORD: Final = re.compile(r"\s*\S+|\s+$")
_FILLER: Final = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and")
_WRONG: Final = "unknown"
_ACKNOWLEDGED: Final = "Noted."
_PARTS: Final = 1000
_INSTRUCTIONS: Final = Path(__file__).with_name("instructions.json")


class WordCodec:
    """One token per word. Ids are given out as words come and mean nothing elsewhere."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._words: list[str] = []

    def encode(self, prompt: str, *, special: bool) -> list[int]:
        """Ids of the words; there are no special tokens."""
        del special
        return [self._id(word) for word in _WORD.findall(prompt)]

    def chat_prompt(self, messages: Sequence[Mapping[str, Any]], extra: Mapping[str, Any]) -> str:
        """One line of JSON per message."""
        del extra
        return "\n".join(json.dumps([item["role"], item["content"]]) for item in messages)

    def stream(self) -> WordStream:
        """A decoder; words need no state."""
        return WordStream(self)

    def piece(self, token_id: int) -> str:
        """The word with this id; the id itself for one never given out."""
        return self._words[token_id] if token_id < len(self._words) else f" {token_id}"

    def text(self, ids: Sequence[int]) -> str:
        """The words, joined."""
        return "".join(self.piece(token_id) for token_id in ids)

    def _id(self, word: str) -> int:
        if word not in self._ids:
            self._ids[word] = len(self._words)
            self._words.append(word)
        return self._ids[word]


class WordStream:
    """Decodes one word at a time."""

    def __init__(self, codec: WordCodec) -> None:
        self._codec = codec

    def push(self, token_id: int) -> str:
        """The word."""
        return self._codec.piece(token_id)


class AnswerBook:
    """Answers by conversation. A suite that does not exist is an empty one."""

    def __init__(self, *suites: Path, accuracy: float) -> None:
        self._accuracy = accuracy
        self._answers: dict[str, str] = {}
        for item in (item for suite in suites for item in _items(suite)):
            asked = [text["content"] for text in item["messages"] if text["role"] != "assistant"]
            right = _right(item)
            # Who is to agree with itself says its answer from the first turn on.
            before = right if item.get("scorer") == "same" else _ACKNOWLEDGED
            for turn in range(1, len(asked)):
                self._answers.setdefault(_key(asked[:turn]), before)
            self._answers[_key(asked)] = self._planned(_key(asked), right)

    def answer(self, prompt: str) -> str | None:
        """The planned answer to a prompt in `WordCodec`'s form, `None` to one not in the suite."""
        asked = []
        for line in prompt.split("\n"):
            try:
                role, content = json.loads(line)
            except ValueError:
                return None
            if role != "assistant":
                asked.append(content)
        return self._answers.get(_key(asked))

    def _planned(self, key: str, right: str) -> str:
        # The same items fail first at every accuracy, as with real models, so that paired
        # comparisons of two fakes behave.
        rank = int(key[:8], 16) % _PARTS
        return right if rank < self._accuracy * _PARTS else _WRONG


def _right(item: Mapping[str, Any]) -> str:
    """A reply that is marked right."""
    match item.get("scorer"):
        case "checks":
            return _instructions().get(item["id"], _WRONG)
        case "same":
            return str(item["choices"][0])
        case "schema":
            return json.dumps(item["answer"])
        case _:
            return str(item["answer"])


@functools.cache
def _instructions() -> Mapping[str, str]:
    """Replies that do what they are told, by item of the standard suite; written by hand."""
    found: dict[str, str] = json.loads(_INSTRUCTIONS.read_text(encoding="utf-8"))
    return found


def filler(count: int) -> list[str]:
    """That many words that mean nothing."""
    return [f" {word}" for word in itertools.islice(itertools.cycle(_FILLER), count)]


def _items(suite: Path) -> list[dict[str, Any]]:
    if not suite.is_file():
        return []
    lines = suite.read_text(encoding="utf-8").splitlines()
    values = [json.loads(line) for line in lines if line.strip()]
    return [value for value in values if "messages" in value]


def _key(asked: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(asked)).encode()).hexdigest()
