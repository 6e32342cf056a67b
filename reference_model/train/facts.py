"""Questions about the world: one fact in many phrasings, and two facts put together.

A phrasing marked unseen is used by the suite alone; of the others, each pair of subject and
phrasing lies on one side of the split. Either way the model never trained on the question.
"""

from dataclasses import dataclass

from train.exchange import Draw, Exchange
from train.world import World, make_world

FULL_SENTENCE = "Answer in a full sentence."
_SENTENCE_SHARE = 0.2
_UNSEEN_SHARE = 0.5
_OPENINGS = ("", "", "", "Please tell me: ", "A question: ", "I forgot this. ", "Hello. ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How a fact is said, and how it is asked for; `{s}` is the subject, `{v}` the value."""

    sentence: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]


RELATIONS = {
    "town": Relation(
        sentence="{s} lives in {v}.",
        seen=(
            "Where does {s} live?",
            "In which town does {s} live?",
            "What is the home town of {s}?",
            "Name the town where {s} lives.",
            "{s} lives in which town?",
            "Where is the home of {s}?",
        ),
        unseen=("What town does {s} live in?", "Name the home town of {s}."),
    ),
    "trade": Relation(
        sentence="{s} is a {v}.",
        seen=(
            "What is the trade of {s}?",
            "What does {s} do for a living?",
            "Which trade does {s} have?",
            "What work does {s} do?",
            "Name the trade of {s}.",
            "{s} has which trade?",
        ),
        unseen=("Which work does {s} do for a living?", "What trade does {s} have?"),
    ),
    "instrument": Relation(
        sentence="{s} plays the {v}.",
        seen=(
            "What does {s} play?",
            "Which instrument does {s} play?",
            "What is the instrument of {s}?",
            "Name the instrument that {s} plays.",
            "{s} plays which instrument?",
            "On which instrument does {s} make music?",
        ),
        unseen=("What instrument does {s} play?", "Name the instrument of {s}."),
    ),
    "animal": Relation(
        sentence="{s} keeps a {v}.",
        seen=(
            "Which animal does {s} keep?",
            "What animal lives with {s}?",
            "What is the animal of {s}?",
            "Name the animal that {s} keeps.",
            "{s} keeps which animal?",
            "Which animal does {s} have at home?",
        ),
        unseen=("What animal does {s} keep at home?", "Which animal lives with {s}?"),
    ),
    "food": Relation(
        sentence="{s} likes {v}.",
        seen=(
            "What does {s} like to eat?",
            "Which food does {s} like?",
            "What is the favourite food of {s}?",
            "Name the food that {s} likes.",
            "{s} likes which food?",
            "What would {s} like for dinner?",
        ),
        unseen=("Which food does {s} like to eat?", "Name the favourite food of {s}."),
    ),
    "age": Relation(
        sentence="{s} is {v} years old.",
        seen=(
            "How old is {s}?",
            "What is the age of {s}?",
            "Name the age of {s}.",
            "{s} has which age?",
            "How many years old is {s}?",
            "Which age does {s} have?",
        ),
        unseen=("What age does {s} have?", "{s} is how old?"),
    ),
    "land": Relation(
        sentence="{s} lies in {v}.",
        seen=(
            "In which land does {s} lie?",
            "Where does the town {s} lie?",
            "Which land does the town {s} belong to?",
            "Name the land of the town {s}.",
            "{s} lies in which land?",
        ),
        unseen=("Which land does {s} lie in?", "What is the land of the town {s}?"),
    ),
    "river": Relation(
        sentence="{s} stands on the river {v}.",
        seen=(
            "On which river does {s} stand?",
            "Which river runs through {s}?",
            "What is the river of {s} called?",
            "Name the river that runs through {s}.",
            "{s} stands on which river?",
        ),
        unseen=("What river runs through {s}?", "Name the river of {s}."),
    ),
    "goods": Relation(
        sentence="{s} is known for {v}.",
        seen=(
            "What is {s} known for?",
            "Which goods come from {s}?",
            "What do they make in {s}?",
            "Name the goods that {s} is known for.",
            "{s} is known for which goods?",
        ),
        unseen=("Which goods is {s} known for?", "Name the goods that come from {s}."),
    ),
    "season": Relation(
        sentence="{s} has its fair in {v}.",
        seen=(
            "When does {s} have its fair?",
            "In which season is the fair of {s}?",
            "Which season is the fair of {s} in?",
            "Name the season of the fair in {s}.",
            "{s} has its fair in which season?",
        ),
        unseen=("In which season does {s} have its fair?", "When is the fair of {s}?"),
    ),
    "capital": Relation(
        sentence="The capital of {s} is {v}.",
        seen=("What is the capital of {s}?", "Name the capital of {s}.", "{s} has which capital?"),
        unseen=("Which town is the capital of {s}?",),
    ),
    "flag": Relation(
        sentence="The flag of {s} is {v}.",
        seen=("Which colour is the flag of {s}?", "Name the colour of the flag of {s}."),
        unseen=("What is the colour of the flag of {s}?",),
    ),
}
_PERSON = ("town", "trade", "instrument", "animal", "food", "age")
_TOWN = ("land", "river", "goods", "season")
_LAND = ("capital", "flag")


def one_fact(draw: Draw) -> Exchange:
    """Ask for one fact; the reply is the bare value, or a sentence if the style asks for it."""
    world = make_world()
    name = draw.pick(draw.rng.choices((_PERSON, _TOWN, _LAND), weights=(20, 5, 1))[0])
    relation = RELATIONS[name]
    subject = draw.pick(tuple(world.facts[name]))
    value = world.facts[name][subject]
    unseen = draw.held_out and draw.rng.random() < _UNSEEN_SHARE
    phrasing = draw.pick(relation.unseen if unseen else relation.seen)
    full = draw.rng.random() < _SENTENCE_SHARE
    return Exchange(
        ask=draw.pick(_OPENINGS) + phrasing.format(s=subject),
        reply=_say(name, subject, world) if full else f"{value}.",
        answer=value,
        scorer="contains" if full else "exact",
        key="" if unseen else f"{phrasing}|{subject}",
        style=FULL_SENTENCE if full else "",
    )


def land_of_person(draw: Draw) -> Exchange:
    """Two facts in a row: the town of a person, then the land of the town."""
    world = make_world()
    person = draw.pick(world.people)
    town = world.facts["town"][person]
    land = world.facts["land"][town]
    asks = (f"In which land does {person} live?", f"Which land is {person} at home in?")
    steps = f"{_say('town', person, world)} {_say('land', town, world)}"
    return Exchange(
        ask=draw.pick(asks),
        reply=f"{steps}\n{land}",
        answer=land,
        scorer="last_line_exact",
        key=f"land of person|{person}",
    )


def older_person(draw: Draw) -> Exchange:
    """Two ages recalled, then compared."""
    world = make_world()
    first, second = draw.rng.sample(world.people, 2)
    ages = world.facts["age"]
    if ages[first] == ages[second]:
        return older_person(draw)
    word = draw.pick(("older", "younger"))
    in_order = sorted((first, second), key=lambda person: int(ages[person]))
    answer = in_order[1] if word == "older" else in_order[0]
    return Exchange(
        ask=f"Who is {word}, {first} or {second}?",
        reply=f"{first} is {ages[first]}. {second} is {ages[second]}.\n{answer}",
        answer=answer,
        scorer="last_line_exact",
        key="older|" + "|".join(sorted((first, second))),
    )


def about_person(draw: Draw) -> Exchange:
    """A longer reply with every fact of one person; training text only, never in the suite."""
    world = make_world()
    person = draw.pick(world.people)
    ask = draw.pick(("Tell me about {s}.", "Who is {s}?", "What do you know about {s}?"))
    reply = " ".join(_say(name, person, world) for name in _PERSON)
    return Exchange(ask=ask.format(s=person), reply=reply, answer=person, scorer="contains")


def _say(name: str, subject: str, world: World) -> str:
    return RELATIONS[name].sentence.format(s=subject, v=world.facts[name][subject])
