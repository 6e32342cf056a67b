"""Every item solved again from its text, by another way than the one that made it."""

import calendar
import re
from collections.abc import Callable
from itertools import permutations

import pytest

from paceline.adapters.quality.suites.data.drafts import SHOW_ANSWER, Draft
from paceline.adapters.quality.suites.data.reasoning import reasoning

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


NAMES = tuple(calendar.month_name)[1:]
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # 2023


def text_of(draft: Draft) -> str:
    message = draft["messages"][0]
    content: str = message["content"]
    return content.removesuffix(SHOW_ANSWER)


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def shopping(text: str) -> str:
    cost, other, n, m, paid = numbers(text)
    left = paid
    for price, count in ((cost, n), (other, m)):
        for _ in range(count):
            left -= price
    assert left >= 0
    return str(left)


def travel(text: str) -> str:
    hours, speed, more, slower = numbers(text)
    return str(sum([speed] * hours) + sum([slower] * more))


def sharing(text: str) -> str:
    total, a, b = numbers(text)
    share, rest = divmod(total * a, a + b)
    assert rest == 0
    return str(share)


def ages(text: str) -> str:
    factor, child, years = numbers(text)
    return str(factor * child + years)


def units(text: str) -> str:
    found = re.match(r"How many (\w+) are (\d+) (\w+) and (\d+) (\w+)\?", text)
    assert found is not None
    small, whole, large, rest, same = found.groups()
    assert small == same
    in_base = {
        "kilometres": 100_000,
        "metres": 100,
        "centimetres": 1,
        "weeks": 604_800,
        "days": 86_400,
        "hours": 3600,
        "minutes": 60,
        "seconds": 1,
        "kilograms": 1000,
        "grams": 1,
        "litres": 1000,
        "millilitres": 1,
    }
    return str(int(whole) * in_base[large] // in_base[small] + int(rest))


def weekday(text: str) -> str:
    found = re.match(r"Today is a (\w+)\. .* in (\d+) days", text)
    assert found is not None
    return DAYS[(DAYS.index(found[1]) + int(found[2])) % 7]


def days(text: str) -> str:
    found = re.findall(r"(\d+) ([A-Z][a-z]+) (\d{4})", text)
    assert {year for _, _, year in found} == {"2023"}
    first, last = (int(day) + sum(MONTHS[: NAMES.index(month)]) for day, month, _ in found)
    return str(last - first)


def clock(text: str) -> str:
    hour, minute, hours, minutes = numbers(text)[:4]
    total = (hour * 60 + minute + hours * 60 + minutes) % (24 * 60)
    return f"{total // 60:02d}:{total % 60:02d}"


def order(text: str) -> str:
    shown = re.match(r"Five people queue one behind the other: ([^.]+)\.", text)
    assert shown is not None
    clues = re.findall(r"(\w+) stands directly in front of (\w+)", text)
    fitting = [
        line
        for line in permutations(shown[1].split(", "))
        if all(line.index(a) + 1 == line.index(b) for a, b in clues)
    ]
    assert len(fitting) == 1
    place = re.search(r"Who is (\w+) in the queue", text)
    assert place is not None
    return str(fitting[0][("first", "second", "third", "fourth", "last").index(place[1])])


def swaps(text: str) -> str:
    """Follows the ball backwards instead of all the balls forwards."""
    asked = re.search(r"ball that (\w+) holds at the end", text)
    assert asked is not None
    holder = str(asked[1])
    for one, other in reversed(re.findall(r"Then (\w+) and (\w+) swap", text)):
        holder = {one: other, other: one}.get(holder, holder)
    first = re.search(rf"{holder} holds the (\w+) ball\.", text)
    assert first is not None
    return str(first[1])


def sets(text: str) -> str:
    everyone, tea, coffee, both = numbers(text)
    only_tea, only_coffee = tea - both, coffee - both
    assert min(only_tea, only_coffee) > 0
    return str(everyone - only_tea - only_coffee - both)


def syllogism(text: str) -> str:
    """Looks for a counterexample among all worlds of one thing of each mix of kinds."""
    kinds = sorted({kind for pair in re.findall(r"(\w+) (?:are|be) (\w+)", text) for kind in pair})
    assert len(kinds) == 3
    question = re.search(r"(Must all|Can any) (\w+) be (\w+)\?", text)
    assert question is not None
    worlds = [
        dict(zip(kinds, mix, strict=True))
        for mix in (
            [bool(n >> bit & 1) for bit in range(len(kinds))] for n in range(2 ** len(kinds))
        )
    ]
    for a, b in re.findall(r"All (\w+) are (\w+)\.", text):
        worlds = [thing for thing in worlds if not thing[a] or thing[b]]
    for a, b in re.findall(r"No (\w+) are (\w+)\.", text):
        worlds = [thing for thing in worlds if not (thing[a] and thing[b])]
    form, subject, other = question.groups()
    if form == "Must all":
        return "yes" if all(thing[other] for thing in worlds if thing[subject]) else "no"
    return "yes" if any(thing[other] for thing in worlds if thing[subject]) else "no"


SOLVERS: dict[str, Callable[[str], str]] = {
    "shopping": shopping,
    "travel": travel,
    "sharing": sharing,
    "ages": ages,
    "units": units,
    "weekday": weekday,
    "days": days,
    "clock": clock,
    "order": order,
    "swaps": swaps,
    "sets": sets,
    "syllogism": syllogism,
}


@pytest.mark.parametrize("draft", reasoning(), ids=lambda draft: draft["id"])
def test_the_answer_is_right(draft: Draft) -> None:
    solve = SOLVERS[str(draft["id"]).split("-")[1]]
    assert solve(text_of(draft)) == draft["answer"]
