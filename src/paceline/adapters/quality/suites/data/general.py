"""General questions: `facts.txt` as items, choices in a seeded order."""

import random
from importlib.resources import files

from paceline.adapters.quality.suites.data.drafts import Draft, family, user

_SHORT_TOKENS = 48
_CHOICE_TOKENS = 32


def general() -> list[Draft]:
    """Every line of `facts.txt`, in its order."""
    text = (files(__package__) / "facts.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    remaining = iter(lines)
    return family("general", "general", len(lines), lambda rng: _item(next(remaining), rng))


def _item(line: str, rng: random.Random) -> Draft:
    _, question, right, *wrong = (part.strip() for part in line.split("|"))
    if wrong:
        return _choice(question, right, [one.strip() for one in wrong[0].split(";")], rng)
    answer, *also = (one.strip() for one in right.split(";"))
    return {
        "messages": [user(f"{question} Answer in a few words.")],
        "scorer": "contains",
        "answer": answer,
        "also": also,
        "max_tokens": _SHORT_TOKENS,
    }


def _choice(question: str, right: str, wrong: list[str], rng: random.Random) -> Draft:
    choices = [right, *wrong]
    rng.shuffle(choices)
    shown = "\n".join(f"{'ABCD'[place]}) {choice}" for place, choice in enumerate(choices))
    return {
        "messages": [user(f"{question}\n{shown}\nReply with the letter of the right answer only.")],
        "scorer": "choice",
        "choices": choices,
        "answer": "ABCD"[choices.index(right)],
        "max_tokens": _CHOICE_TOKENS,
    }
