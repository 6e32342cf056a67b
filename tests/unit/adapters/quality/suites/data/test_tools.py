"""The right call, read again from the request."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from paceline.adapters.quality.suites.data.drafts import Draft
from paceline.adapters.quality.suites.data.tools import tools

Call = tuple[str | None, dict[str, Any]]


def requests_of(draft: Draft) -> list[str]:
    messages: list[dict[str, Any]] = draft["messages"]
    return [message["content"] for message in messages if message["role"] == "user"]


def found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text)
    assert match is not None, (pattern, text)
    return match


def weather(texts: list[str]) -> Call:
    if len(texts) > 1:
        return "get_weather", {"city": found(r"from \w+ to (\w+) tomorrow", texts[0])[1]}
    return "get_weather", {"city": found(r"in (\w+)\?", texts[0])[1]}


def currency(texts: list[str]) -> Call:
    amount, source = found(r"(\d+) ([A-Z]{3})", texts[0]).groups()
    (target,) = [code for code in re.findall(r"\b[A-Z]{3}\b", texts[0]) if code != source]
    return "convert_currency", {"amount": int(amount), "from": source, "to": target}


def timer(texts: list[str]) -> Call:
    hours = re.search(r"(\d+) hour", texts[0])
    minutes = re.search(r"(\d+) minute", texts[0])
    assert "1 hours" not in texts[0]
    total = 60 * int(hours[1]) if hours else 0
    return "set_timer", {"minutes": total + (int(minutes[1]) if minutes else 0)}


def message(texts: list[str]) -> Call:
    recipient, text = found(r'Send (\w+) exactly this message: "(.+)"', texts[0]).groups()
    return "send_message", {"recipient": recipient, "text": text}


def table(texts: list[str]) -> Call:
    people, day, time = found(r"for (\d+) on ([\d-]{10}) at (\d\d:\d\d)", texts[0]).groups()
    return "book_table", {"people": int(people), "date": day, "time": time}


def none(texts: list[str]) -> Call:
    assert not re.search(r"weather|convert|timer|message|table", texts[0], re.IGNORECASE)
    return None, {}


SOLVERS: dict[str, Callable[[list[str]], Call]] = {
    "weather": weather,
    "currency": currency,
    "timer": timer,
    "message": message,
    "table": table,
    "none": none,
}


@pytest.mark.parametrize("draft", tools(), ids=lambda draft: draft["id"])
def test_the_call_is_right_and_known_to_the_rules(draft: Draft) -> None:
    tool, arguments = SOLVERS[str(draft["id"]).split("-")[1]](requests_of(draft))
    assert json.loads(str(draft["answer"])) == {"tool": tool, "arguments": arguments}
    rules = draft["messages"][0]["content"]
    described = [json.loads(line) for line in rules.splitlines() if line.startswith('{"name"')]
    known = {one["name"]: one["arguments"] for one in described}
    assert tool is None or set(known[tool]) == set(arguments)
