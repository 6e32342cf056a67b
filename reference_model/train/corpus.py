"""The training text: an endless, seeded row of conversations.

Covers how the tasks are mixed. Every conversation is drawn from the training side of the split.
"""

import random
from collections.abc import Callable, Iterator

from train import arithmetic, facts, logic
from train.exchange import Draw, Exchange, Message
from train.recall import memory
from train.world import make_world

SYSTEM = "You know the world well. Be brief."
NAME = "I am the Paceline reference model."

# Makers of exchanges, each with how often it is drawn.
Makers = tuple[tuple[Callable[[Draw], Exchange], int], ...]

FACTS: Makers = ((facts.one_fact, 10), (facts.land_of_person, 2), (facts.older_person, 2))
ARITHMETIC: Makers = (
    (arithmetic.add, 3),
    (arithmetic.subtract, 3),
    (arithmetic.multiply, 4),
    (arithmetic.add_three, 2),
    (arithmetic.next_in_row, 2),
)
LOGIC: Makers = (
    (logic.who_is_at_the_end, 4),
    (logic.is_it_so, 3),
    (logic.where_is_it, 3),
    (logic.is_the_lamp_on, 1),
    (logic.backwards, 2),
)
_RECALL_SHARE = 0.3
_SYSTEM_SHARE = 0.3


def conversations(seed: int) -> Iterator[tuple[Message, ...]]:
    """Training conversations without end; the same row for the same seed."""
    draw = Draw(rng=random.Random(seed), held_out=False, taken=make_world().names)
    while True:
        yield _conversation(draw)


def one_of(draw: Draw, makers: Makers) -> Exchange:
    """An exchange from a weighted list of makers."""
    functions, weights = zip(*makers, strict=True)
    return draw.make(draw.rng.choices(functions, weights=weights)[0])


def messages(exchanges: tuple[Exchange, ...], *, system: str = "") -> tuple[Message, ...]:
    """Exchanges as chat messages, after an optional system message."""
    found = [Message(role="system", content=system)] if system else []
    for exchange in exchanges:
        found.append(Message(role="user", content=exchange.ask))
        found.append(Message(role="assistant", content=exchange.reply))
    return tuple(found)


def _conversation(draw: Draw) -> tuple[Message, ...]:
    if draw.rng.random() < _RECALL_SHARE:
        remembered = memory(draw, lambda: _plain(draw))
        exchanges = (*remembered.said, remembered.question)
    else:
        exchanges = tuple(_any(draw) for _ in range(draw.rng.randrange(1, 4)))
    # A style holds for a whole conversation, so it stands only where one exchange needs it.
    style = exchanges[0].style if len(exchanges) == 1 else ""
    if not style:
        exchanges = tuple(_without_style(draw, exchange) for exchange in exchanges)
    return messages(exchanges, system=style or _system(draw))


def _system(draw: Draw) -> str:
    return SYSTEM if draw.rng.random() < _SYSTEM_SHARE else ""


def _any(draw: Draw) -> Exchange:
    makers = draw.rng.choices((FACTS, ARITHMETIC, LOGIC, None), weights=(50, 25, 25, 6))[0]
    return one_of(draw, makers) if makers else _small_talk(draw)


def _plain(draw: Draw) -> Exchange:
    return _without_style(draw, _any(draw))


def _without_style(draw: Draw, exchange: Exchange) -> Exchange:
    while exchange.style:
        exchange = one_of(draw, FACTS)
    return exchange


def _small_talk(draw: Draw) -> Exchange:
    if draw.rng.random() < 0.5:
        return facts.about_person(draw)
    first = draw.rng.randrange(1, 60)
    last = first + draw.rng.randrange(5, 20)
    row = ", ".join(str(number) for number in range(first, last + 1))
    talk = {
        "Hello!": "Hello! What would you like to know?",
        "Thank you.": "You are welcome.",
        "Who are you?": NAME,
        f"Count from {first} to {last}.": f"{row}.",
    }
    ask = draw.pick(tuple(talk))
    return Exchange(ask=ask, reply=talk[ask], answer=talk[ask], scorer="exact")
