"""Conversations: facts are kept, corrections replace them, the model does not contradict itself.

The replies inside a conversation are given with the item, so that every variant sees the same
history; in the families of self-consistency they are the model's own.
"""

import random

from paceline.adapters.quality.suites.data.drafts import (
    NAMES,
    Draft,
    assistant,
    family,
    listed,
    user,
)

Turn = dict[str, str | None]

_MAX_TOKENS = 64
_CITIES = ("Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Athens", "Geneva", "Turin")
_PETS = ("cat", "dog", "parrot", "rabbit", "tortoise", "hamster")
_JOBS = ("baker", "nurse", "pilot", "teacher", "plumber", "lawyer", "farmer", "tailor")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_ERRANDS = ("dentist", "haircut", "piano lesson", "car inspection", "team lunch", "eye test")
_GOODS = ("apples", "bread", "cheese", "rice", "milk", "tea", "soap", "honey", "eggs", "salt")
_SMALL_TALK: tuple[tuple[str, str], ...] = (
    ("What is 3 plus 4?", "3 plus 4 is 7."),
    ("Name a colour of the rainbow.", "Violet."),
    ("Is a whale a fish?", "No, a whale is a mammal."),
    ("Give me a word that rhymes with 'light'.", "Night."),
    ("How many legs does a spider have?", "A spider has eight legs."),
    ("What do bees make?", "Bees make honey."),
)
_PICKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a colour", ("red", "blue", "green", "yellow")),
    ("a season", ("spring", "summer", "autumn", "winter")),
    ("a fruit", ("apple", "banana", "cherry", "plum")),
    ("a metal", ("iron", "copper", "silver", "gold")),
    ("an animal", ("horse", "tiger", "eagle", "salmon")),
    ("a shape", ("circle", "square", "triangle", "star")),
)


def multi_turn() -> list[Draft]:
    """Seven families of twelve."""
    makers = (
        ("kept", _kept),
        ("corrected", _corrected),
        ("list", _shopping_list),
        ("calendar", _calendar),
        ("who", _who),
        ("pick", _pick),
        ("numbers", _numbers),
    )
    return [
        draft
        for name, maker in makers
        for draft in family("multi_turn", f"turns-{name}", 12, maker)
    ]


def _asked(
    turns: list[Turn], answer: str, *, scorer: str = "contains", also: tuple[str, ...] = ()
) -> Draft:
    return {
        "messages": turns,
        "scorer": scorer,
        "answer": answer,
        "also": list(also),
        "max_tokens": _MAX_TOKENS,
    }


def _chat(rng: random.Random, count: int) -> list[Turn]:
    """Turns about something else."""
    talk = rng.sample(_SMALL_TALK, count)
    return [turn for ask, reply in talk for turn in (user(ask), assistant(reply))]


def _kept(rng: random.Random) -> Draft:
    name, city, pet, job = (rng.choice(x) for x in (NAMES, _CITIES, _PETS, _JOBS))
    asked, answer = rng.choice(
        (
            ("What is my name? Reply with the name only.", name),
            ("In which city do I live? Reply with the city only.", city),
            ("What pet do I have? Reply with one word.", pet),
            ("What is my job? Reply with one word.", job),
        )
    )
    return _asked(
        [
            user(f"My name is {name}. I live in {city} and work as a {job}."),
            assistant("Nice to meet you!"),
            user(f"I also have a {pet}."),
            assistant("That sounds lovely."),
            *_chat(rng, rng.randint(1, 3)),
            user(asked),
        ],
        answer,
    )


def _corrected(rng: random.Random) -> Draft:
    friend = rng.choice(NAMES)
    old, new = rng.sample(_CITIES, 2)
    later = rng.choice((True, False))
    correction = (
        f"Sorry, I was wrong: {friend} does not live in {old} but in {new}."
        if later
        else f"News: {friend} has moved away from {old} and now lives in {new}."
    )
    return _asked(
        [
            user(f"My friend {friend} lives in {old}."),
            assistant("Good to know."),
            *_chat(rng, 1),
            user(correction),
            assistant("Thank you, I will keep that in mind."),
            *_chat(rng, rng.randint(0, 2)),
            user(f"In which city does {friend} live now? Reply with the city only."),
        ],
        new,
        scorer="final",
    )


def _shopping_list(rng: random.Random) -> Draft:
    goods = rng.sample(_GOODS, 6)
    first, added, removed = goods[:3], goods[3 : 3 + rng.randint(1, 3)], rng.choice(goods[:3])
    left = len(first) + len(added) - 1
    return _asked(
        [
            user(f"Start a shopping list with {listed(first)}."),
            assistant("The list is started."),
            user(f"Add {listed(added)}."),
            assistant("Added."),
            *_chat(rng, 1),
            user(f"Take {removed} off the list."),
            assistant("Done."),
            user("How many different things are on the list now? Reply with the number only."),
        ],
        str(left),
        scorer="number",
    )


def _calendar(rng: random.Random) -> Draft:
    errands = rng.sample(_ERRANDS, 3)
    days = rng.sample(_DAYS, 4)
    asked = rng.randrange(3)
    turns: list[Turn] = [
        user(
            "Note my week. "
            + " ".join(
                f"The {errand} is on {day}." for errand, day in zip(errands, days, strict=False)
            )
        ),
        assistant("Noted."),
        *_chat(rng, rng.randint(0, 2)),
        user(f"The {errands[0]} is moved to {days[3]}."),
        assistant("I have changed it."),
    ]
    day = days[3] if asked == 0 else days[asked]
    question = f"On which day is the {errands[asked]}? Reply with the day only."
    return _asked([*turns, user(question)], day, scorer="final")


def _who(rng: random.Random) -> Draft:
    one, other = rng.sample(NAMES, 2)
    job, other_job = rng.sample(_JOBS, 2)
    age, other_age = rng.sample(range(20, 70), 2)
    older = rng.choice((True, False))
    answer = job if (age > other_age) == older else other_job
    return _asked(
        [
            user(f"{one} is a {job}. {other} is a {other_job}."),
            assistant("Understood."),
            user(f"{one} is {age} years old and {other} is {other_age}."),
            assistant("Understood."),
            *_chat(rng, rng.randint(0, 2)),
            user(
                f"What is the job of the {'older' if older else 'younger'} one? Reply in one word."
            ),
        ],
        answer,
    )


def _pick(rng: random.Random) -> Draft:
    kind, options = rng.choice(_PICKS)
    shown = ", ".join(rng.sample(options, len(options)))
    ask, _ = rng.choice(_SMALL_TALK)
    return {
        "messages": [
            user(f"Pick {kind} from this list: {shown}. Reply with that one word only."),
            assistant(None),
            user(ask),
            assistant(None),
            user("Which word did you pick from my list? Reply with that one word only."),
        ],
        "scorer": "same",
        "choices": list(options),
        "max_tokens": 48,
    }


def _numbers(rng: random.Random) -> Draft:
    x, y, added = rng.randint(11, 60), rng.randint(2, 9), rng.randint(2, 9)
    return _asked(
        [
            user(f"My locker has the number {x}. My sister's has a number that is {y} higher."),
            assistant("Got it."),
            *_chat(rng, rng.randint(1, 2)),
            user(f"I was given a new locker today; its number is {added} higher than my old one."),
            assistant("Noted."),
            user(
                "By how much do the numbers of my new locker and my sister's differ? Reply with "
                "the number only."
            ),
        ],
        str(abs(y - added)),
        scorer="number",
    )
