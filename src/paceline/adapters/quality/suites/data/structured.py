"""Structured output: JSON that validates against a schema and holds the right values."""

import json
import random
from collections.abc import Mapping

from paceline.adapters.quality.suites.data.drafts import NAMES, Draft, family, user

Json = Mapping[str, object]

_MAX_TOKENS = 256
_CITIES = ("Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Athens", "Geneva", "Turin")
_GOODS = ("notebook", "pen", "mug", "lamp", "chair", "plate", "scarf", "candle")
_COLOURS = ("red", "blue", "green", "black", "white")
_LEVELS = ("low", "medium", "high")


def structured() -> list[Draft]:
    """Six families of nine."""
    makers = (
        ("person", _person),
        ("order", _order),
        ("ticket", _ticket),
        ("missing", _missing),
        ("table", _table),
        ("filter", _filter),
    )
    return [
        draft for name, maker in makers for draft in family("structured", f"json-{name}", 9, maker)
    ]


def _asked(text: str, schema: Json, answer: Json) -> Draft:
    return {
        "messages": [
            user(
                f"{text}\nReply with JSON only, no explanation, that validates against this schema:"
                f"\n{json.dumps(schema)}"
            )
        ],
        "scorer": "schema",
        "schema": schema,
        "answer": answer,
        "max_tokens": _MAX_TOKENS,
    }


def _object(**properties: object) -> Json:
    """A closed object schema with every property required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _one_of(values: tuple[str, ...]) -> Json:
    return {"type": "string", "enum": list(values)}


_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}


def _person(rng: random.Random) -> Draft:
    name, city, age = rng.choice(NAMES), rng.choice(_CITIES), rng.randint(18, 80)
    text = rng.choice(
        (
            f"{name} is {age} years old and lives in {city}.",
            f"Living in {city} has never bored {name}, who turned {age} this week.",
            f"At {age}, {name} still works every day in {city}.",
        )
    )
    return _asked(
        f"Extract the person's data from this text: {text}",
        _object(name=_TEXT, age=_COUNT, city=_TEXT),
        {"name": name, "age": age, "city": city},
    )


def _order(rng: random.Random) -> Draft:
    goods = rng.sample(_GOODS, 2)
    counts = [rng.randint(2, 9) for _ in goods]
    prices = [rng.randint(2, 20) for _ in goods]
    told = " and ".join(
        f"{count} pieces of '{thing}' at {price} euros each"
        for thing, count, price in zip(goods, counts, prices, strict=True)
    )
    item = _object(product=_one_of(_GOODS), quantity=_COUNT, unit_price=_COUNT)
    return _asked(
        f"Write this order as data, items in the order told, `total` being the sum to pay: {told}.",
        _object(items={"type": "array", "items": item}, total=_COUNT),
        {
            "items": [
                {"product": thing, "quantity": count, "unit_price": price}
                for thing, count, price in zip(goods, counts, prices, strict=True)
            ],
            "total": sum(count * price for count, price in zip(counts, prices, strict=True)),
        },
    )


def _ticket(rng: random.Random) -> Draft:
    number, level, colour = rng.randint(1000, 9999), rng.choice(_LEVELS), rng.choice(_COLOURS)
    open_ = rng.choice((True, False))
    state = "is still open" if open_ else "has been closed"
    return _asked(
        f"Turn this note into data: Ticket {number} about the {colour} door {state}; its priority "
        f"is {level}.",
        _object(
            id=_COUNT,
            subject=_object(thing=_one_of(("door", "window")), colour=_one_of(_COLOURS)),
            open={"type": "boolean"},
            priority=_one_of(_LEVELS),
        ),
        {
            "id": number,
            "subject": {"thing": "door", "colour": colour},
            "open": open_,
            "priority": level,
        },
    )


def _missing(rng: random.Random) -> Draft:
    """What the text does not say is `null`, not a guess."""
    name, city, age = rng.choice(NAMES), rng.choice(_CITIES), rng.randint(18, 80)
    known = rng.choice(("age", "city", "neither"))
    text = {
        "age": f"{name}, who is {age}, likes chess.",
        "city": f"{name} from {city} likes chess.",
        "neither": f"{name} likes chess.",
    }[known]
    return _asked(
        f"Extract the person's data; use null for whatever is not stated. Text: {text}",
        _object(name=_TEXT, age={"type": ["integer", "null"]}, city={"type": ["string", "null"]}),
        {
            "name": name,
            "age": age if known == "age" else None,
            "city": city if known == "city" else None,
        },
    )


def _table(rng: random.Random) -> Draft:
    names = rng.sample(NAMES, 3)
    rows = [(name, rng.randint(1, 99), rng.choice(_COLOURS)) for name in names]
    shown = "\n".join(f"{name};{points};{colour}" for name, points, colour in rows)
    row = _object(name=_TEXT, points=_COUNT, team=_one_of(_COLOURS))
    return _asked(
        f"Convert this table to JSON, rows in the same order.\nname;points;team\n{shown}",
        _object(rows={"type": "array", "items": row}),
        {
            "rows": [
                {"name": name, "points": points, "team": colour} for name, points, colour in rows
            ]
        },
    )


def _filter(rng: random.Random) -> Draft:
    numbers = rng.sample(range(1, 100), 6)
    limit = sorted(numbers)[rng.randint(1, 4)]
    kept = sorted(number for number in numbers if number > limit)
    return _asked(
        f"From the numbers {', '.join(map(str, numbers))} keep those greater than {limit}, sorted "
        "from smallest to largest, and count them.",
        _object(numbers={"type": "array", "items": _COUNT}, count=_COUNT),
        {"numbers": kept, "count": len(kept)},
    )
