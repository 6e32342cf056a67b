"""The suite of the image model: captions with fixed seeds, and what must be seen.

Run as `python -m train_image.suite OUT.jsonl`. Same seed, same file, byte for byte.
"""

import hashlib
import json
import random
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from train_image.captions import PLACES, RADII_PX, caption
from train_image.shapes import COLOURS, SHAPES

SUITE_SEED: Final = 7_408
_MOST_SEED: Final = 2**31
SCORERS: Final = {
    "picture": "structural similarity to the picture of the same prompt and seed by the baseline",
    "shows": "the colour and the shape that must be seen",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the suite."""

    id: str
    prompt: str
    seed: int
    scorer: str
    shows: str
    split: str


def make_items() -> list[Item]:
    """Every colour with every shape, twice to decide by and once to report.

    `main` has the plain caption, and one with a size or a place; `report` the plain one with
    another seed.
    """
    rng = random.Random(SUITE_SEED)
    items = []
    for colour in COLOURS:
        for shape in SHAPES:
            plain = caption(colour, shape)
            items.append(_item(rng, colour, shape, plain, "main"))
            items.append(_item(rng, colour, shape, _detailed(rng, colour, shape), "main"))
            items.append(_item(rng, colour, shape, plain, "report"))
    return items


def render(items: list[Item]) -> str:
    """The suite as text: a header with the hash of the item lines, then one item per line."""
    lines = "".join(json.dumps(asdict(item)) + "\n" for item in items)
    header = {
        "suite": "reference-image",
        "version": 1,
        "items": len(items),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "scorers": SCORERS,
    }
    return json.dumps(header) + "\n" + lines


def _detailed(rng: random.Random, colour: str, shape: str) -> str:
    if rng.random() < 0.5:
        return caption(colour, shape, size=rng.choice([size for size in RADII_PX if size]))
    return caption(colour, shape, place=rng.choice([place for place in PLACES if place]))


def _item(rng: random.Random, colour: str, shape: str, prompt: str, split: str) -> Item:
    seed = rng.randrange(_MOST_SEED)
    return Item(
        id=f"{prompt.replace(' ', '-')}-{seed}",
        prompt=prompt,
        seed=seed,
        scorer="picture",
        shows=f"{colour} {shape}",
        split=split,
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(make_items()))
