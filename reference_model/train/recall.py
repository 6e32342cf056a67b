"""Conversations that must remember: things told, sometimes corrected, asked for later.

Names and numbers come from one side of the split, so the suite asks for words that training
never saw. The talk in between comes from the caller.
"""

from collections.abc import Callable
from dataclasses import dataclass

from train.exchange import Draw, Exchange, is_held_out
from train.world import COLOURS, FOODS

NOTED = "Noted."
CORRECTED = "Corrected."
_CORRECTION_SHARE = 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One thing that a user may tell: what it is called, and where its value comes from."""

    noun: str
    values: Callable[[Draw], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was said so far, and the question at the end."""

    said: tuple[Exchange, ...]
    question: Exchange


def _number(draw: Draw) -> str:
    while True:
        number = str(draw.rng.randrange(100, 1000))
        if is_held_out(number) == draw.held_out:
            return number


SLOTS = (
    Slot(noun="name", values=Draw.name),
    Slot(noun="sister's name", values=Draw.name),
    Slot(noun="teacher's name", values=Draw.name),
    Slot(noun="boat's name", values=Draw.name),
    Slot(noun="street", values=Draw.name),
    Slot(noun="room number", values=_number),
    Slot(noun="ticket number", values=_number),
    Slot(noun="lucky number", values=_number),
    Slot(noun="favourite colour", values=lambda draw: draw.pick(COLOURS)),
    Slot(noun="favourite food", values=lambda draw: draw.pick(FOODS)),
)
_TELL = ("My {n} is {v}.", "Remember this: my {n} is {v}.", "You should know that my {n} is {v}.")
_CORRECT = (
    "I was wrong, my {n} is {v}.",
    "No, my {n} is {v}, not {o}.",
    "A correction: my {n} is {v}.",
)
_ASK = (
    "What is my {n}?",
    "Do you remember my {n}?",
    "Tell me my {n}.",
    "Which {n} did I tell you?",
)


def memory(draw: Draw, between: Callable[[], Exchange]) -> Memory:
    """Two or three things told, perhaps one corrected, some talk, and a question about one.

    The asked-for value is a name or number in the suite, so that it was never trained on.
    """
    slots = draw.rng.sample(SLOTS, draw.rng.randrange(1, 4))
    if draw.held_out:
        slots[0] = draw.rng.choice(SLOTS[:8])
        slots = list({slot.noun: slot for slot in slots}.values())
    values = {slot.noun: slot.values(draw) for slot in slots}
    said = _tell(draw, values)
    asked = slots[0]
    if draw.rng.random() < _CORRECTION_SHARE:
        # The question is about a corrected value more often than not, or correcting would
        # be a thing that the model can ignore.
        changed = asked if draw.rng.random() < 0.8 else draw.rng.choice(slots)
        old = values[changed.noun]
        new = _another(draw, changed, old)
        text = draw.pick(_CORRECT).format(n=changed.noun, v=new, o=old)
        said.append(Exchange(ask=text, reply=CORRECTED, answer=CORRECTED, scorer="exact"))
        values[changed.noun] = new
    if draw.rng.random() < 0.5:
        said.insert(draw.rng.randrange(1, len(said) + 1), between())
    answer = values[asked.noun]
    question = Exchange(
        ask=draw.pick(_ASK).format(n=asked.noun), reply=f"{answer}.", answer=answer, scorer="exact"
    )
    return Memory(said=tuple(said), question=question)


def _another(draw: Draw, slot: Slot, old: str) -> str:
    while (value := slot.values(draw)) == old:
        pass
    return value


def _tell(draw: Draw, values: dict[str, str]) -> list[Exchange]:
    """Each thing in a message of its own, or all in one."""
    told = [draw.pick(_TELL).format(n=noun, v=value) for noun, value in values.items()]
    draw.rng.shuffle(told)
    messages = [" ".join(told)] if draw.rng.random() < 0.4 else told
    return [Exchange(ask=text, reply=NOTED, answer=NOTED, scorer="exact") for text in messages]
