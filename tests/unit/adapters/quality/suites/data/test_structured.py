"""The right values, read again from the text; and that they validate against the shown schema."""

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from paceline.adapters.quality.suites.data.drafts import NAMES, Draft
from paceline.adapters.quality.suites.data.structured import structured

Values = dict[str, Any]
CITIES = "Lisbon|Oslo|Vienna|Dublin|Prague|Athens|Geneva|Turin"


def prompt_of(draft: Draft) -> tuple[str, Values]:
    message = draft["messages"][0]
    text, _, schema = message["content"].partition("\nReply with JSON only")
    return text, json.loads(schema.partition("\n")[2])


def first_name(text: str) -> str:
    names: list[str] = [word for word in re.findall(r"\w+", text) if word in NAMES]
    assert len(names) == 1
    return names[0]


def number(text: str) -> int | None:
    found = re.findall(r"\d+", text)
    assert len(found) <= 1
    return int(found[0]) if found else None


def city(text: str) -> str | None:
    found = re.findall(CITIES, text)
    return found[0] if found else None


def person(text: str) -> Values:
    return {"name": first_name(text), "age": number(text), "city": city(text)}


def order(text: str) -> Values:
    found = re.findall(r"(\d+) pieces of '(\w+)' at (\d+) euros", text)
    items = [{"product": p, "quantity": int(q), "unit_price": int(u)} for q, p, u in found]
    return {"items": items, "total": sum(int(q) * int(u) for q, _, u in found)}


def ticket(text: str) -> Values:
    found = re.search(r"Ticket (\d+) about the (\w+) (\w+) (is still open|has been closed)", text)
    level = re.search(r"priority is (\w+)\.", text)
    assert found is not None
    assert level is not None
    return {
        "id": int(found[1]),
        "subject": {"thing": found[3], "colour": found[2]},
        "open": "open" in found[4],
        "priority": level[1],
    }


def table(text: str) -> Values:
    head, *rows = [line.split(";") for line in text.splitlines()[1:]]
    found = [dict(zip(head, row, strict=True)) for row in rows]
    return {"rows": [{**row, "points": int(row["points"])} for row in found]}


def filtered(text: str) -> Values:
    numbers = [int(found) for found in re.findall(r"\d+", text)]
    kept = [value for value in sorted(numbers[:-1]) if value > numbers[-1]]
    assert len(numbers) == 7
    return {"numbers": kept, "count": len(kept)}


SOLVERS: dict[str, Callable[[str], Values]] = {
    "person": person,
    "order": order,
    "ticket": ticket,
    "missing": person,
    "table": table,
    "filter": filtered,
}


@pytest.mark.parametrize("draft", structured(), ids=lambda draft: draft["id"])
def test_the_values_are_right_and_valid(draft: Draft) -> None:
    text, shown = prompt_of(draft)
    assert SOLVERS[str(draft["id"]).split("-")[1]](text) == draft["answer"]
    assert shown == draft["schema"]
    jsonschema.validate(draft["answer"], shown)
