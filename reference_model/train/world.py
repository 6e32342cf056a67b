"""The made-up world: who lives where and does what, and which town lies in which land.

Everything follows from one seed. Covers the facts only; `facts` turns them into questions.
"""

import random
from dataclasses import dataclass
from functools import cache

from train.exchange import invented_name

WORLD_SEED = 20_611
PEOPLE = 64
TOWNS = 20
LANDS = 5

TRADES = (
    "baker", "miller", "potter", "weaver", "smith", "mason", "tailor", "fisher", "hunter",
    "painter", "doctor", "teacher", "sailor", "cook", "carpenter", "gardener",
)  # fmt: skip
INSTRUMENTS = ("flute", "drum", "harp", "horn", "lute", "bell", "pipe", "fiddle", "piano", "viola")
ANIMALS = (
    "cat", "dog", "goat", "horse", "parrot", "rabbit", "sheep", "duck", "turtle", "falcon",
    "pony", "hen", "mouse", "frog",
)  # fmt: skip
FOODS = (
    "bread", "cheese", "soup", "honey", "plums", "pears", "cherries", "mushrooms", "noodles",
    "pie", "beans", "carrots", "rice", "walnuts",
)  # fmt: skip
GOODS = (
    "salt", "wool", "glass", "silk", "copper", "paper", "tea", "rope", "soap", "iron", "clay",
    "oil", "lamps", "clocks", "candles", "boats", "carpets", "knives", "hats", "shoes",
)  # fmt: skip
SEASONS = ("spring", "summer", "autumn", "winter")
COLOURS = (
    "red", "blue", "green", "white", "black", "yellow", "purple", "brown", "grey", "pink",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Every fact, as relation -> subject -> value; values of `age` are digits."""

    people: tuple[str, ...]
    towns: tuple[str, ...]
    lands: tuple[str, ...]
    facts: dict[str, dict[str, str]]

    @property
    def names(self) -> frozenset[str]:
        """Every proper name of the world."""
        rivers = self.facts["river"].values()
        return frozenset((*self.people, *self.towns, *self.lands, *rivers))


@cache
def make_world() -> World:
    """Make the one world; the same on every call and machine."""
    rng = random.Random(WORLD_SEED)
    names = _different_names(rng, PEOPLE + 2 * TOWNS + LANDS)
    people, towns = names[:PEOPLE], names[PEOPLE : PEOPLE + TOWNS]
    rivers, lands = names[PEOPLE + TOWNS : PEOPLE + 2 * TOWNS], names[-LANDS:]
    land_of = {town: lands[index % LANDS] for index, town in enumerate(towns)}
    facts = {
        "town": {person: rng.choice(towns) for person in people},
        "trade": {person: rng.choice(TRADES) for person in people},
        "instrument": {person: rng.choice(INSTRUMENTS) for person in people},
        "animal": {person: rng.choice(ANIMALS) for person in people},
        "food": {person: rng.choice(FOODS) for person in people},
        "age": {person: str(rng.randrange(18, 90)) for person in people},
        "land": land_of,
        "river": dict(zip(towns, rivers, strict=True)),
        "goods": dict(zip(towns, rng.sample(GOODS, TOWNS), strict=True)),
        "season": {town: rng.choice(SEASONS) for town in towns},
        "capital": {land: towns[index] for index, land in enumerate(lands)},
        "flag": dict(zip(lands, rng.sample(COLOURS, LANDS), strict=True)),
    }
    return World(people=tuple(people), towns=tuple(towns), lands=tuple(lands), facts=facts)


def _different_names(rng: random.Random, count: int) -> list[str]:
    names: list[str] = []
    while len(names) < count:
        name = invented_name(rng)
        if name not in names:
            names.append(name)
    return names
