"""Basic reasoning: word problems, units, dates, order and logic, each with one right answer.

Numbers are drawn so that every step stays whole; `tests` solve each item again from its text.
"""

import random
from datetime import date, datetime, timedelta
from itertools import pairwise

from paceline.adapters.quality.suites.data.drafts import NAMES, SHOW_ANSWER, Draft, family, user

_MAX_TOKENS = 320
_GOODS = ("notebook", "pen", "mug", "lamp", "chair", "plate", "scarf", "candle")
_BALLS = ("red", "blue", "green", "yellow", "white", "black")
_UNITS = (
    ("kilometres", "metres", 1000),
    ("metres", "centimetres", 100),
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("kilograms", "grams", 1000),
    ("litres", "millilitres", 1000),
    ("days", "hours", 24),
    ("weeks", "days", 7),
)
_KINDS = ("blims", "dorps", "fazes", "grens", "hubbs", "jorls", "kands", "lomps", "mivs", "nuxes")


def reasoning() -> list[Draft]:
    """Twelve families of nine."""
    makers = (
        ("shopping", _shopping),
        ("travel", _travel),
        ("sharing", _sharing),
        ("ages", _ages),
        ("units", _units),
        ("weekday", _weekday),
        ("days", _days_between),
        ("clock", _clock),
        ("order", _order),
        ("swaps", _swaps),
        ("sets", _sets),
        ("syllogism", _syllogism),
    )
    return [
        draft
        for name, maker in makers
        for draft in family("reasoning", f"reasoning-{name}", 9, maker)
    ]


def _asked(
    text: str, answer: str | int, scorer: str = "number", also: tuple[str, ...] = ()
) -> Draft:
    return {
        "messages": [user(f"{text} {SHOW_ANSWER}")],
        "scorer": scorer,
        "answer": str(answer),
        "also": list(also),
        "max_tokens": _MAX_TOKENS,
    }


def _shopping(rng: random.Random) -> Draft:
    first, second = rng.sample(_GOODS, 2)
    n, m = rng.randint(2, 9), rng.randint(2, 9)
    cost, other = rng.randint(2, 15), rng.randint(2, 15)
    total = n * cost + m * other
    paid = -(-total // 50) * 50
    return _asked(
        f"A {first} costs {cost} euros and a {second} costs {other} euros. {rng.choice(NAMES)} "
        f"buys {n} of the first and {m} of the second and pays with {paid} euros. How many euros "
        "of change are there?",
        paid - total,
    )


def _travel(rng: random.Random) -> Draft:
    hours, more = rng.randint(2, 5), rng.randint(1, 4)
    speed, slower = 10 * rng.randint(7, 12), 10 * rng.randint(3, 6)
    return _asked(
        f"A train runs for {hours} hours at {speed} km/h and then for {more} more at {slower} km/h."
        " How many kilometres does it cover in all?",
        hours * speed + more * slower,
    )


def _sharing(rng: random.Random) -> Draft:
    one, other = rng.sample(NAMES, 2)
    a, b = rng.sample(range(1, 8), 2)
    part = rng.randint(3, 20)
    return _asked(
        f"{one} and {other} share {part * (a + b)} euros in the ratio {a} to {b}. How many euros "
        f"does {one} get?",
        part * a,
    )


def _ages(rng: random.Random) -> Draft:
    one, other = rng.sample(NAMES, 2)
    child, factor, years = rng.randint(4, 12), rng.randint(3, 4), rng.randint(3, 9)
    return _asked(
        f"{one} is {factor} times as old as {other}, who is {child} years old. How old will {one} "
        f"be in {years} years?",
        child * factor + years,
    )


def _units(rng: random.Random) -> Draft:
    large, small, factor = rng.choice(_UNITS)
    whole, rest = rng.randint(2, 12), rng.randint(1, factor - 1)
    return _asked(
        f"How many {small} are {whole} {large} and {rest} {small}?", whole * factor + rest
    )


def _weekday(rng: random.Random) -> Draft:
    start = date(2001, 1, 1) + timedelta(days=rng.randint(0, 6))
    days = rng.randint(8, 90)
    return _asked(
        f"Today is a {start:%A}. Which day of the week is it in {days} days?",
        f"{start + timedelta(days=days):%A}",
        "final",
    )


def _days_between(rng: random.Random) -> Draft:
    start = date(2023, 1, 1) + timedelta(days=rng.randint(0, 250))
    end = start + timedelta(days=rng.randint(20, 100))
    return _asked(
        f"How many days after {start.day} {start:%B %Y} is {end.day} {end:%B %Y}?",
        (end - start).days,
    )


def _clock(rng: random.Random) -> Draft:
    start = datetime(2001, 1, 1, rng.randint(6, 20), 5 * rng.randint(0, 11))  # noqa: DTZ001
    hours, minutes = rng.randint(1, 9), 5 * rng.randint(1, 11)
    end = start + timedelta(hours=hours, minutes=minutes)
    return _asked(
        f"A journey starts at {start:%H:%M} and takes {hours} hours and {minutes} minutes. At what "
        "time does it end? Give the time as HH:MM on the 24-hour clock.",
        f"{end:%H:%M}",
        "final",
        (f"{end.hour}:{end:%M}",),
    )


def _order(rng: random.Random) -> Draft:
    """A line of five told in shuffled neighbours; exactly one order fits."""
    line = rng.sample(NAMES, 5)
    clues = [f"{a} stands directly in front of {b}." for a, b in pairwise(line)]
    rng.shuffle(clues)
    place, word = rng.choice(list(enumerate(("first", "second", "third", "fourth", "last"))))
    shown = ", ".join(sorted(line))
    return _asked(
        f"Five people queue one behind the other: {shown}. {' '.join(clues)} Who is {word} in the "
        "queue? Give the name.",
        line[place],
        "final",
    )


def _swaps(rng: random.Random) -> Draft:
    people = rng.sample(NAMES, 3)
    held = dict(zip(people, rng.sample(_BALLS, 3), strict=True))
    told = [f"{name} holds the {ball} ball." for name, ball in held.items()]
    for _ in range(rng.randint(3, 5)):
        one, other = rng.sample(people, 2)
        held[one], held[other] = held[other], held[one]
        told.append(f"Then {one} and {other} swap balls.")
    asked = rng.choice(people)
    return _asked(
        f"{' '.join(told)} Which colour is the ball that {asked} holds at the end?",
        held[asked],
        "final",
    )


def _sets(rng: random.Random) -> Draft:
    both = rng.randint(2, 9)
    tea, coffee, neither = both + rng.randint(3, 15), both + rng.randint(3, 15), rng.randint(1, 9)
    return _asked(
        f"In a group of {tea + coffee - both + neither} people, {tea} drink tea, {coffee} drink "
        f"coffee and {both} drink both. How many drink neither?",
        neither,
    )


def _syllogism(rng: random.Random) -> Draft:
    """Chains of `all`; the question follows the chain, runs against it, or meets a `no`."""
    a, b, c = rng.sample(_KINDS, 3)
    form = rng.choice(("chain", "chain", "against", "none"))  # as often yes as no
    if form == "none":
        told, asked, answer = f"All {a} are {b}. No {b} are {c}.", f"Can any {a} be {c}", "no"
    elif form == "against":
        told, asked, answer = f"All {a} are {b}. All {b} are {c}.", f"Must all {c} be {a}", "no"
    else:
        told, asked, answer = f"All {a} are {b}. All {b} are {c}.", f"Must all {a} be {c}", "yes"
    return _asked(f"{told} {asked}? Reply with yes or no.", answer, "final")
