"""Every conversation answered again by reading it, apart from how it was made."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from paceline.adapters.quality.suites.data.drafts import Draft
from paceline.adapters.quality.suites.data.multi_turn import multi_turn


def said(draft: Draft) -> list[str]:
    messages: list[dict[str, Any]] = draft["messages"]
    return [message["content"] for message in messages if message["role"] == "user"]


def only(pattern: str, text: str) -> tuple[str, ...]:
    found = re.findall(pattern, text)
    assert len(found) == 1, (pattern, text)
    return found[0] if isinstance(found[0], tuple) else (found[0],)


def kept(turns: list[str]) -> str:
    told = " ".join(turns[:-1])
    name, city, job = only(r"My name is (\w+)\. I live in (\w+) and work as a (\w+)", told)
    (pet,) = only(r"I also have a (\w+)", told)
    subject = only(r"(name|city|pet|job)\b(?! only)", turns[-1].split("?")[0])[0]
    return {"name": name, "city": city, "pet": pet, "job": job}[subject]


def corrected(turns: list[str]) -> str:
    told = " ".join(turns[:-1])
    after = re.findall(r"but in (\w+)|now lives in (\w+)", told)
    assert len(after) == 1
    return "".join(after[0])


def shopping_list(turns: list[str]) -> str:
    def goods(text: str) -> set[str]:
        return {word for word in re.split(r", | and ", text) if word}

    told = " ".join(turns[:-1])
    things = goods(only(r"Start a shopping list with ([^.]+)\.", told)[0])
    things |= goods(only(r"Add ([^.]+)\.", told)[0])
    (removed,) = only(r"Take (\w+) off", told)
    assert removed in things
    return str(len(things - {removed}))


def calendar(turns: list[str]) -> str:
    days = dict(re.findall(r"The ([a-z ]+) is on (\w+)\.", turns[0]))
    (errand, day) = only(r"The ([a-z ]+) is moved to (\w+)\.", " ".join(turns))
    assert day not in days.values()
    days[errand] = day
    return str(days[only(r"On which day is the ([a-z ]+)\?", turns[-1])[0]])


def who(turns: list[str]) -> str:
    jobs = dict(re.findall(r"(\w+) is a (\w+)\.", turns[0]))
    one, age, other, other_age = only(
        r"(\w+) is (\d+) years old and (\w+) is (\d+)", " ".join(turns)
    )
    by_age = sorted([(int(age), one), (int(other_age), other)])
    assert by_age[0][0] != by_age[1][0]
    return str(jobs[by_age[-1 if "older" in turns[-1] else 0][1]])


def numbers(turns: list[str]) -> str:
    told = " ".join(turns)
    old, higher = only(r"number (\d+)\. My sister's has a number that is (\d+) higher", told)
    (new,) = only(r"its number is (\d+) higher than my old one", told)
    return str(abs((int(old) + int(new)) - (int(old) + int(higher))))


SOLVERS: dict[str, Callable[[list[str]], str]] = {
    "kept": kept,
    "corrected": corrected,
    "list": shopping_list,
    "calendar": calendar,
    "who": who,
    "numbers": numbers,
}
FIXED = [draft for draft in multi_turn() if draft["scorer"] != "same"]
OPEN = [draft for draft in multi_turn() if draft["scorer"] == "same"]


@pytest.mark.parametrize("draft", FIXED, ids=lambda draft: draft["id"])
def test_the_answer_is_right(draft: Draft) -> None:
    assert SOLVERS[str(draft["id"]).split("-")[1]](said(draft)) == draft["answer"]


@pytest.mark.parametrize("draft", OPEN, ids=lambda draft: draft["id"])
def test_what_may_be_picked_is_what_was_offered(draft: Draft) -> None:
    (offered,) = only(r"from this list: ([\w, ]+)\.", said(draft)[0])
    assert sorted(offered.split(", ")) == sorted(draft["choices"])
    messages: list[dict[str, Any]] = draft["messages"]
    assert [message["content"] for message in messages][1] is None


@pytest.mark.parametrize("draft", FIXED, ids=lambda draft: draft["id"])
def test_the_answer_is_not_given_away_by_the_last_message(draft: Draft) -> None:
    assert str(draft["answer"]) not in said(draft)[-1]
