"""Tool calls: the right tool with the right arguments, none when none fits, results made use of.

The tools are described in the system message and the call is JSON in the reply. That measures the
model and not the server's parser of native tool calls, which differs between engines.
"""

import json
import random
from collections.abc import Mapping
from typing import Final

from paceline.adapters.quality.suites.data.drafts import (
    NAMES,
    Draft,
    assistant,
    family,
    system,
    user,
)

_MAX_TOKENS = 128
_CITIES = ("Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Athens", "Geneva", "Turin")
_CURRENCIES = ("EUR", "USD", "GBP", "JPY", "CHF")
_TOOLS: Final[tuple[Mapping[str, object], ...]] = (
    {"name": "get_weather", "about": "weather forecast", "arguments": {"city": "text"}},
    {
        "name": "convert_currency",
        "about": "convert an amount of money",
        "arguments": {"amount": "number", "from": "currency code", "to": "currency code"},
    },
    {
        "name": "set_timer",
        "about": "start a timer",
        "arguments": {"minutes": "whole number"},
    },
    {
        "name": "send_message",
        "about": "send a text message",
        "arguments": {"recipient": "text", "text": "text"},
    },
    {
        "name": "book_table",
        "about": "book a restaurant table",
        "arguments": {"people": "whole number", "date": "YYYY-MM-DD", "time": "HH:MM"},
    },
)
_RULES: Final = (
    "You can use these tools:\n"
    + "\n".join(json.dumps(tool) for tool in _TOOLS)
    + '\nTo use one, reply with JSON only: {"tool": NAME, "arguments": {...}}. If no tool can do '
    'what the user asks, reply with exactly {"tool": null, "arguments": {}}.'
)


def tools() -> list[Draft]:
    """Six families of nine."""
    makers = (
        ("weather", _weather),
        ("currency", _currency),
        ("timer", _timer),
        ("message", _message),
        ("table", _table),
        ("none", _none),
    )
    return [draft for name, maker in makers for draft in family("tools", f"tool-{name}", 9, maker)]


def _asked(
    text: str,
    tool: str | None,
    arguments: Mapping[str, object],
    *,
    before: tuple[dict[str, str | None], ...] = (),
) -> Draft:
    return {
        "messages": [system(_RULES), *before, user(text)],
        "scorer": "json",
        "answer": json.dumps({"tool": tool, "arguments": dict(arguments)}),
        "max_tokens": _MAX_TOKENS,
    }


def _weather(rng: random.Random) -> Draft:
    city, other = rng.sample(_CITIES, 2)
    plain = _asked(f"What will the weather be like in {city}?", "get_weather", {"city": city})
    follow_up = _asked(
        "And what about there?",
        "get_weather",
        {"city": city},
        before=(
            user(f"I am flying from {other} to {city} tomorrow. What is the weather in {other}?"),
            assistant(json.dumps({"tool": "get_weather", "arguments": {"city": other}})),
            user("Tool result: sunny, 21 degrees. That is where I start. Now for where I land."),
            assistant("Sure, ask away."),
        ),
    )
    return rng.choice((plain, plain, follow_up))


def _currency(rng: random.Random) -> Draft:
    amount, (source, target) = rng.randint(2, 900), rng.sample(_CURRENCIES, 2)
    text = rng.choice(
        (
            f"How much is {amount} {source} in {target}?",
            f"Convert {amount} {source} to {target}, please.",
            f"I have {amount} {source} and need {target}. How much do I get?",
        )
    )
    return _asked(text, "convert_currency", {"amount": amount, "from": source, "to": target})


def _timer(rng: random.Random) -> Draft:
    hours, minutes = rng.randint(1, 3), 5 * rng.randint(1, 11)
    text, total = rng.choice(
        (
            (f"Wake me in {minutes} minutes.", minutes),
            (f"Start a timer for {hours} hours and {minutes} minutes.", 60 * hours + minutes),
            (f"Set a timer that rings after {hours} hours.", 60 * hours),
        )
    )
    return _asked(text.replace("1 hours", "1 hour"), "set_timer", {"minutes": total})


def _message(rng: random.Random) -> Draft:
    name = rng.choice(NAMES)
    said = rng.choice(
        (
            "I am ten minutes late",
            "The keys are under the mat",
            "Happy birthday",
            "Dinner is ready",
            "The meeting is cancelled",
        )
    )
    return _asked(
        f'Send {name} exactly this message: "{said}"',
        "send_message",
        {"recipient": name, "text": said},
    )


def _table(rng: random.Random) -> Draft:
    people, month, day = rng.randint(2, 9), rng.randint(1, 12), rng.randint(1, 28)
    hour, half = rng.randint(17, 21), rng.choice(("00", "30"))
    return _asked(
        f"Please book a table for {people} on 2027-{month:02d}-{day:02d} at {hour}:{half}.",
        "book_table",
        {"people": people, "date": f"2027-{month:02d}-{day:02d}", "time": f"{hour}:{half}"},
    )


def _none(rng: random.Random) -> Draft:
    """Requests near to a tool's subject that no tool can fulfil."""
    city, name = rng.choice(_CITIES), rng.choice(NAMES)
    text = rng.choice(
        (
            f"Print a map of {city} on my printer.",
            f"Delete the last photo that {name} took.",
            "Turn off the light in the kitchen.",
            f"Buy me a train ticket to {city}.",
            f"Play {name}'s favourite song on the loudspeaker.",
            "Water the plants on the balcony.",
        )
    )
    return _asked(text, None, {})
