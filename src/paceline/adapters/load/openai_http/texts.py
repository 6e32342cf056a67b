"""Synthetic prompts: seeded text of a wanted length in tokens, different for every request.

Text is a slice of one long shuffled text behind a few words that no other request begins with, so
that a server's prefix cache finds only the prefixes that are meant to be shared. Making one costs
microseconds. Without a tokenizer its length rests on the server's own count of the probe; with one
(`paceline[tokenizers]`) it is exact.
"""

import importlib
import random
from collections.abc import Sequence
from importlib.resources import files
from typing import Final, Protocol

from paceline.errors import Code, SetupError
from paceline.records.load import Probe
from paceline.records.load_plan import LoadPlan

MATERIAL_WORDS: Final = 16_384
SALT_WORDS: Final = 6
"""Words that make a prompt unique: 300 ** 6 is far beyond any number of requests."""
TOKENS_PER_WORD: Final = 1.1
"""For a server that sends no usage: frequent English words in common vocabularies, spaces in."""


class Texts(Protocol):
    """Makes text of a wanted length."""

    def text(self, tokens: int, key: str, *, after: str = "") -> str:
        """`after`, followed by words of `key`: about or exactly `tokens` tokens in all.

        The same for the same arguments; texts of different keys differ from their first word.
        """
        ...

    def count(self, text: str) -> int | None:
        """Tokens of a text, `None` when there is no tokenizer to tell."""
        ...


class WordTexts:
    """Text from words that cost `tokens_per_word` tokens each on the average."""

    def __init__(self, words: Sequence[str], *, seed: int, tokens_per_word: float) -> None:
        self._words = list(words)
        self._seed = seed
        self._tokens_per_word = tokens_per_word
        self._material = random.Random(seed).choices(self._words, k=MATERIAL_WORDS)  # noqa: S311

    def text(self, tokens: int, key: str, *, after: str = "") -> str:
        count = round(tokens / self._tokens_per_word) - (after.count(" ") + 1 if after else 0)
        return " ".join([after] * bool(after) + self.words(max(1, count), key))

    def count(self, text: str) -> int | None:
        return None

    def words(self, count: int, key: str) -> list[str]:
        """`count` words that belong to `key`."""
        rng = random.Random(f"{self._seed}/{key}")  # noqa: S311 - repeatable, not secret
        words = rng.choices(self._words, k=min(SALT_WORDS, count))
        while len(words) < count:
            start = rng.randrange(MATERIAL_WORDS)
            words += self._material[start : start + count - len(words)]
        return words


def english_words() -> list[str]:
    """The material: frequent English words, one token each in most vocabularies."""
    return files(__package__).joinpath("words.txt").read_text().split()


def texts_for(plan: LoadPlan, probe: Probe | None) -> Texts:
    """What makes the prompts of a plan. Raises SetupError when its tokenizer cannot be used."""
    if plan.settings.tokenizer_path is not None:
        return _exact_texts(plan.settings.tokenizer_path, plan.seed)
    measured = probe.tokens_per_word if probe else None
    return WordTexts(english_words(), seed=plan.seed, tokens_per_word=measured or TOKENS_PER_WORD)


def _exact_texts(path: str, seed: int) -> Texts:
    try:
        exact = importlib.import_module(f"{__package__}.exact")
    except ImportError as error:
        raise SetupError(
            Code.PLUGIN_BROKEN,
            "prompts of exact length need the `tokenizers` package",
            why=str(error),
            fix="pip install 'paceline[tokenizers]', or leave --tokenizer out",
        ) from error
    texts: Texts = exact.ExactTexts(path, seed=seed)
    return texts
