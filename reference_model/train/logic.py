"""Puzzles whose answer follows from the question alone: order, places, switches, lists.

People in a puzzle have names from one side of the split, so that a puzzle of the suite cannot
occur in training; puzzles without names are split by their text.
"""

from dataclasses import dataclass
from itertools import pairwise

from train.exchange import Draw, Exchange
from train.world import COLOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Words to compare people by: `more` and `less`, and who is at either end."""

    more: str
    less: str
    most: str
    least: str


_SCALES = (
    Scale(more="taller", less="shorter", most="tallest", least="shortest"),
    Scale(more="older", less="younger", most="oldest", least="youngest"),
    Scale(more="faster", less="slower", most="fastest", least="slowest"),
    Scale(more="richer", less="poorer", most="richest", least="poorest"),
)
_OBJECTS = ("key", "ring", "coin", "ball", "map")
_PLACES = ("box", "bag", "drawer", "basket")


def who_is_at_the_end(draw: Draw) -> Exchange:
    """Three or four people in a hidden order; the reply writes the order down first."""
    names, told, scale = _ordered_people(draw)
    asks = {
        f"Who is the {scale.most}?": names[0],
        f"Who is the {scale.least}?": names[-1],
    }
    ask = draw.pick(tuple(asks))
    return Exchange(
        ask=f"{told} {ask}",
        reply=f"{', '.join(names)}.\n{asks[ask]}",
        answer=asks[ask],
        scorer="last_line_exact",
    )


def is_it_so(draw: Draw) -> Exchange:
    """A yes-or-no question about two people in a hidden order."""
    names, told, scale = _ordered_people(draw)
    first, second = draw.rng.sample(names, 2)
    word = draw.pick((scale.more, scale.less))
    is_more = names.index(first) < names.index(second)
    answer = "Yes" if is_more == (word == scale.more) else "No"
    return Exchange(
        ask=f"{told} Is {first} {word} than {second}?",
        reply=f"{', '.join(names)}.\n{answer}",
        answer=answer,
        scorer="last_line_exact",
    )


def where_is_it(draw: Draw) -> Exchange:
    """Two things are moved about; the last place of one of them is asked for."""
    person = draw.name()
    things = draw.rng.sample(_OBJECTS, 2)
    places = [f"the {colour} {draw.pick(_PLACES)}" for colour in draw.rng.sample(COLOURS, 5)]
    where = dict(zip(things, places[:2], strict=True))
    told = [f"The {thing} is in {place}." for thing, place in where.items()]
    for place in places[2 : 2 + draw.rng.randrange(1, 4)]:
        thing = draw.pick(things)
        where[thing] = place
        told.append(f"{person} moves the {thing} to {place}.")
    asked = draw.pick(things)
    return Exchange(
        ask=f"{' '.join(told)} Where is the {asked}?",
        reply=f"In {where[asked]}.",
        answer=where[asked],
        scorer="contains",
    )


def is_the_lamp_on(draw: Draw) -> Exchange:
    """A lamp changes with each press; the reply follows it press by press."""
    person, presses = draw.name(), draw.rng.randrange(1, 7)
    now = draw.pick(("on", "off"))
    ask = f"The lamp is {now}. {person} presses the switch {presses} times. Is it on or off?"
    states = []
    for _ in range(presses):
        now = "off" if now == "on" else "on"
        states.append(now)
    return Exchange(
        ask=ask, reply=f"{', '.join(states)}.\n{now}", answer=now, scorer="last_line_exact"
    )


def backwards(draw: Draw) -> Exchange:
    """A list said in reverse order."""
    names = draw.names(draw.rng.randrange(3, 5))
    reply = ", ".join(reversed(names))
    ask = draw.pick(("Say this list backwards: {x}.", "Turn this list around: {x}."))
    return Exchange(
        ask=ask.format(x=", ".join(names)), reply=f"{reply}.", answer=reply, scorer="exact"
    )


def _ordered_people(draw: Draw) -> tuple[list[str], str, Scale]:
    """Names from most to least, and sentences in any order that fix this order."""
    names, scale = draw.names(draw.rng.randrange(3, 5)), draw.rng.choice(_SCALES)
    told = []
    for above, below in pairwise(names):
        forward, backward = f"{above} is {scale.more}", f"{below} is {scale.less}"
        told.append(draw.pick((f"{forward} than {below}.", f"{backward} than {above}.")))
    draw.rng.shuffle(told)
    return names, " ".join(told), scale
