"""The held-out suite: 300 questions drawn from the other side of the split.

Run as `python -m train.suite OUT.jsonl`. Same seed, same file, byte for byte.
"""

import hashlib
import json
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from train import arithmetic, facts, logic
from train.corpus import ARITHMETIC, FACTS, SYSTEM, Makers, messages, one_of
from train.exchange import Draw, Exchange, Message
from train.recall import memory
from train.scoring import DEFINITIONS
from train.world import make_world

SUITE_SEED = 7_407
# Longest right reply of each category in tokens, with room for a wrong one to run on a little.
MAX_TOKENS = {"facts": 32, "recall": 16, "arithmetic": 48, "logic": 40}
COUNTS: dict[str, Makers] = {
    "facts": ((facts.one_fact, 80), (facts.land_of_person, 10), (facts.older_person, 10)),
    "arithmetic": (
        (arithmetic.add, 14),
        (arithmetic.subtract, 14),
        (arithmetic.multiply, 16),
        (arithmetic.add_three, 8),
        (arithmetic.next_in_row, 8),
    ),
    "logic": (
        (logic.who_is_at_the_end, 18),
        (logic.is_it_so, 12),
        (logic.where_is_it, 14),
        (logic.is_the_lamp_on, 6),
        (logic.backwards, 10),
    ),
}
RECALL_COUNT = 80

Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the suite; `messages` end with the question."""

    id: str
    category: str
    messages: Prompt
    answer: str
    scorer: str
    max_tokens: int


def make_items() -> list[Item]:
    """Every item of the suite, no prompt twice."""
    draw = Draw(rng=random.Random(SUITE_SEED), held_out=True, taken=make_world().names)
    items: list[Item] = []
    prompts: set[Prompt] = set()
    makers = [
        (category, partial(_single, draw, maker), count)
        for category, pairs in COUNTS.items()
        for maker, count in pairs
    ]
    for category, make, count in [*makers, ("recall", partial(_remembered, draw), RECALL_COUNT)]:
        for prompt, question in _different(make, count, prompts):
            items.append(_item(len(items), category, prompt, question))
    return items


def render(items: list[Item]) -> str:
    """The suite as text: a header with the hash of the item lines, then one item per line."""
    lines = "".join(json.dumps(asdict(item)) + "\n" for item in items)
    header = {
        "suite": "reference",
        "version": 1,
        "items": len(items),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "scorers": DEFINITIONS,
        "decoding": "greedy; stop at the end-of-turn token or after max_tokens",
    }
    return json.dumps(header) + "\n" + lines


def _different(
    make: Callable[[], tuple[Prompt, Exchange]], count: int, prompts: set[Prompt]
) -> list[tuple[Prompt, Exchange]]:
    """So many pairs from `make` with a prompt that is not yet in `prompts`; adds theirs."""
    found: list[tuple[Prompt, Exchange]] = []
    while len(found) < count:
        prompt, question = make()
        if prompt not in prompts:
            prompts.add(prompt)
            found.append((prompt, question))
    return found


def _single(draw: Draw, maker: Callable[[Draw], Exchange]) -> tuple[Prompt, Exchange]:
    question = draw.make(maker)
    system = question.style or (SYSTEM if draw.rng.random() < 0.2 else "")
    return messages((question,), system=system)[:-1], question


def _remembered(draw: Draw) -> tuple[Prompt, Exchange]:
    remembered = memory(draw, lambda: one_of(draw, (*ARITHMETIC, *FACTS[1:])))
    return messages((*remembered.said, remembered.question))[:-1], remembered.question


def _item(index: int, category: str, prompt: Prompt, question: Exchange) -> Item:
    return Item(
        id=f"{category}-{index:03d}",
        category=category,
        messages=prompt,
        answer=question.answer,
        scorer=question.scorer,
        max_tokens=MAX_TOKENS[category],
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(make_items()))
