"""The shapes that the made-up text is built from, and the rule that keeps held-out text out.

Covers one question with its reply, the source of chance that makers draw from, and the split
between training and held-out keys. Does not know any task.
"""

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# One key in eight is held out: enough for the suite, too little to starve the training text.
HELD_OUT_ONE_IN = 8

ONSETS = ("b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
VOWELS = ("a", "e", "i", "o", "u")
CODAS = ("", "", "l", "n", "r", "s")


def is_held_out(key: str) -> bool:
    """Tell on which side of the split a key lies; the same on every machine and version."""
    return zlib.crc32(key.encode()) % HELD_OUT_ONE_IN == 0


def invented_name(rng: random.Random) -> str:
    """Two syllables with a capital: about 180,000 names, few of them seen twice."""
    syllables = [rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(2)]
    return "".join(syllables).capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation, as the chat template takes it."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question, the reply to learn, and how a reply to the question is scored.

    `key` is what must differ between training and suite; it is empty where the names in the
    question already keep the two apart. `style` is an instruction for the system message.
    """

    ask: str
    reply: str
    answer: str
    scorer: str
    key: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A seeded source of chance on one side of the split.

    `taken` are names that belong to the world, so that nobody in a puzzle shares one.
    """

    rng: random.Random
    held_out: bool
    taken: frozenset[str]

    def pick(self, options: Sequence[str]) -> str:
        """One of the options, all equally likely."""
        return self.rng.choice(options)

    def name(self) -> str:
        """A name of nobody in the world, from this side of the split."""
        while True:
            name = invented_name(self.rng)
            if name not in self.taken and is_held_out(name) == self.held_out:
                return name

    def names(self, count: int) -> list[str]:
        """Different names from this side of the split."""
        found: list[str] = []
        while len(found) < count:
            name = self.name()
            if name not in found:
                found.append(name)
        return found

    def make(self, maker: Callable[["Draw"], Exchange]) -> Exchange:
        """Draw until the key of the exchange lies on this side of the split."""
        while True:
            exchange = maker(self)
            if not exchange.key or is_held_out(exchange.key) == self.held_out:
                return exchange
