"""Prompts of exactly the wanted number of tokens; needs the optional `tokenizers` package."""

import re
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from paceline.adapters.load.openai_http.texts import WordTexts, english_words
from paceline.errors import Code, SpecError, reason_of

WHOLE_WORD: Final = re.compile(r"[Ġ▁]([A-Za-z]{2,12})")  # the two marks of a leading space
FIRST_WORD: Final = re.compile(r"[A-Za-z]{1,12}")
"""A text begins without a space, which makes its first word another token."""
WORDS_WANTED: Final = 2000
WORDS_NEEDED: Final = 50
ATTEMPTS: Final = 50


class ExactTexts:
    """Text made of words that are one token each, corrected against the tokenizer itself."""

    def __init__(self, path: str, *, seed: int) -> None:
        self._tokenizer = _load(path)
        vocabulary = sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])
        matches = (WHOLE_WORD.fullmatch(token) for token, _ in vocabulary)
        words = [match[1] for match in matches if match][:WORDS_WANTED]
        firsts = [
            token
            for token, _ in vocabulary
            if FIRST_WORD.fullmatch(token) and self.count(token) == 1
        ]
        self._firsts = (
            WordTexts(firsts[-WORDS_WANTED:], seed=seed, tokens_per_word=1.0) if firsts else None
        )
        self._source = WordTexts(
            words if len(words) >= WORDS_NEEDED else english_words(), seed=seed, tokens_per_word=1.0
        )

    def text(self, tokens: int, key: str, *, after: str = "") -> str:
        head = f"{after} " if after else ""
        words = self._source.words(max(1, tokens - (self.count(head) if head else 0)), key)
        if self._firsts is not None and not after:
            words[:1] = self._firsts.words(1, key)
        best, best_miss = head, tokens + 1
        for attempt in range(ATTEMPTS):
            text = head + " ".join(words)
            miss = self.count(text) - tokens
            if abs(miss) < best_miss:
                best, best_miss = text, abs(miss)
            if miss == 0:
                break
            if miss > 0:
                # Half the surplus, at least one: words can cost more than one token each.
                words = words[: max(1, len(words) - max(1, miss // 2))]
            else:
                # Other words at each attempt: some combination of costs adds up.
                words = words + self._source.words(max(1, -miss // 2), f"{key}+{attempt}")
        return best

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _load(path: str) -> Tokenizer:
    file = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
    try:
        text = file.read_text()
    except OSError as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"the tokenizer {str(file)!r} cannot be read",
            why=reason_of(error),
            fix="give a tokenizer.json or the folder of a model that has one",
        ) from error
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises bare Exception and nothing else
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"{str(file)!r} is no tokenizer",
            why=str(error),
            fix="give a tokenizer.json in the format of Hugging Face tokenizers",
        ) from error
