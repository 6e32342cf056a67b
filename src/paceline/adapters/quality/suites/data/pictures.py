"""The suite for image models that bring none along: prompts of several kinds, two seeds each.

Only likeness to the baseline is measured with it; nothing here can be checked by pixels alone. Run
as `python -m paceline.adapters.quality.suites.data.pictures` to write it again.
"""

import json
from pathlib import Path
from typing import Final

from paceline.adapters.quality.suites.read import hash_of

FILE: Final = Path(__file__).with_name("pictures.jsonl")
VERSION: Final = 1
FIRST_SEED: Final = 1_000
SEEDS_EACH: Final = 2
PROMPTS: Final = (
    "a lighthouse on a rocky coast at dusk, waves below",
    "a bowl of oranges on a wooden table, soft window light",
    "a narrow street with bicycles after rain, reflections on the stones",
    "an old sailing map with a compass rose",
    "a red fox asleep in fresh snow",
    "a glass greenhouse full of ferns, morning mist",
    "a steam train crossing a stone viaduct, seen from the valley",
    "a portrait of an elderly fisherman with a grey beard and a wool cap",
    "a poster of a mountain in three flat colours",
    "a robot repairing a clock, close up",
    "a market stall with spices in small heaps",
    "a paper boat on a dark pond with fallen leaves",
    "two chairs and a table in an empty white room",
    "a shop sign that says OPEN",
    "a line drawing of a hand holding a pencil",
    "the night sky over a desert, long exposure",
)


def make_items() -> str:
    """The item lines."""
    return "".join(
        json.dumps({"id": f"{place:02}-{seed}", "prompt": prompt, "seed": seed}) + "\n"
        for place, prompt in enumerate(PROMPTS)
        for seed in (FIRST_SEED + place * SEEDS_EACH + turn for turn in range(SEEDS_EACH))
    )


def render() -> str:
    """The whole file: a header with the hash of the items, then the items."""
    items = make_items()
    header = {"suite": "pictures", "version": VERSION, "sha256": hash_of(items, None)}
    return json.dumps(header) + "\n" + items


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
