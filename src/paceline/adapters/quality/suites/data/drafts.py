"""What the makers of items share: the shape of a draft, and a seeded source of chance per family.

A family's chance depends on its name alone, so that changing one family leaves the others as they
were.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

Draft = dict[str, Any]
Maker = Callable[[random.Random], Draft]

SEED: Final = 20_261_121
SHOW_ANSWER: Final = "End with a line of the form 'Answer: ...'."
REPORT_EVERY: Final = 6
"""Every sixth item of a family is kept for reporting."""

NAMES: Final = tuple(
    name
    for line in (
        "Anna Ben Clara David Elena Felix Grace Henry Irene Jonas Karin Leo Maria",
        "Nadia Oscar Petra Quentin Rosa Samuel Tessa Ursula Victor Wanda Xavier Yusuf Zoe",
    )
    for name in line.split()
)


def family(
    category: str, name: str, count: int, maker: Maker, *, report_every: int = REPORT_EVERY
) -> list[Draft]:
    """`count` different items of one maker, numbered, each with its place in the split."""
    rng = random.Random(f"{SEED}/{name}")  # noqa: S311 - puzzles, not secrets
    found: list[Draft] = []
    seen: set[str] = set()
    while len(found) < count:
        draft = maker(rng)
        key = repr(draft.get("messages"))
        if key in seen:
            continue
        seen.add(key)
        number = len(found)
        split = "report" if number % report_every == report_every - 1 else "main"
        found.append({"id": f"{name}-{number:02d}", "category": category, **draft, "split": split})
    return found


def in_turn(drafts: Sequence[Draft]) -> Maker:
    """A maker that hands out items written by hand, one after the other."""
    remaining = iter(drafts)
    return lambda _rng: next(remaining)


def user(text: str) -> dict[str, str | None]:
    """A message of the user."""
    return {"role": "user", "content": text}


def assistant(text: str | None) -> dict[str, str | None]:
    """A reply given with the item, or the model's own where `text` is `None`."""
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, str | None]:
    """The system message."""
    return {"role": "system", "content": text}


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
