"""Each instruction has a reply that follows it, and one that nearly does and fails."""

import json
from importlib.resources import files

import pytest

from paceline.adapters.quality.suites.data.drafts import Draft
from paceline.adapters.quality.suites.data.instructions import instructions
from paceline.adapters.quality.suites.shelf import SuiteShelf
from paceline.records.quality import Reply
from paceline.trial.scorers import is_right

ITEMS = {item.item_id: item for item in SuiteShelf().find("standard").items}

# Written by hand: replies that do as they are told (the fake engine gives them), and below them
# replies that do not quite.
FOLLOWING: dict[str, str] = json.loads(
    (files("paceline.runtimes.fake_server") / "instructions.json").read_text(encoding="utf-8")
)
NEARLY: dict[str, str] = {
    "form-words-00": "The sea is blue.",
    "form-words-01": "Two wheels and a chain.",
    "form-words-02": "Winter is cold and quiet.",
    "form-words-03": "I like soup.",
    "form-words-04": "A library lends books.",
    "form-sentences-00": "Rain falls all day long.",
    "form-sentences-01": "Boil the water first. Put the egg in for seven minutes.",
    "form-sentences-02": "Dogs bark at night. They sleep by day.",
    "form-sentences-03": "It circles the Earth.",
    "form-sentences-04": "Trains run on rails. They carry many people. Some are very fast.",
    "form-bullets-00": "- towel\n- hat",
    "form-bullets-01": "Here:\n- owl\n- bat\n- bee\n- swan",
    "form-bullets-02": "1. a\n2. b\n3. c\n4. d\n5. e",
    "form-bullets-03": "rain\nsnow\nfog",
    "form-bullets-04": "- a\n- b\n- c\n- d\n- e\n- f\n- g",
    "form-numbered-00": "1. Wet\n2. Soap\n3. Rinse",
    "form-numbered-01": "May, June, July",
    "form-numbered-02": "Tools:\n1. whisk\n2. knife\n3. ladle",
    "form-numbered-03": "- Safety\n- Fun\n- Health",
    "form-numbered-04": "2. root\n3. trunk\n4. twig\n5. leaf",
    "form-lower-00": "The garden is full of bees.",
    "form-lower-01": "lights glow over Rome tonight.",
    "form-lower-02": "a friend listens and I talk.",
    "form-lower-03": "everyone waved at Mum that day.",
    "form-lower-04": "MUSIC FILLS THE WHOLE HOUSE.",
    "form-upper-00": "THE GARDEN IS full OF BEES.",
    "form-upper-01": "Lights Glow In Every Street.",
    "form-upper-02": "LISTENS WELL.",
    "form-upper-03": "everyone was new and nervous.",
    "form-upper-04": "MUSIC FILLS THE WHOLE HOUSe.",
    "form-include-00": "We crossed rivers by the old bridge, the dog running ahead.",
    "form-include-01": "A knife and a pot of soup.",
    "form-include-02": "The rocket met stars.",
    "form-include-03": "Her basket held an apple. Noise!",
    "form-include-04": "Thunder shook. A candle. Rain. Dark.",
    "form-avoid-00": "The sky is a wide blue dome.",
    "form-avoid-01": "It is a black brew made hot.",
    "form-avoid-02": "Tall, old trees stand close.",
    "form-avoid-03": "Snow is cold and covers fields.",
    "form-avoid-04": "Breakfast is bread, jam and tea.",
    "form-frame-00": "Hello neighbour, I have your parcel here. Please ring. Kind regards.",
    "form-frame-01": "Bread feeds us all each day.",
    "form-frame-02": "Turn off the tap. Good luck.",
    "form-frame-03": "Once upon a time a bear slept. The end. Sleep well now.",
    "form-frame-04": "Trains let you read. Thanks a lot.",
    "form-language-00": "My town is near the sea. The streets are quiet. I like the square.",
    "form-language-01": "Das Meer ist ruhig. Die Boote sind im Hafen. Die Sonne scheint auf alles.",
    "form-language-02": "Il tempo è bello. Il sole splende nel cielo. Il vento non è freddo.",
    "form-language-03": "La famille est à table. Le repas est dans la salle. Les enfants sont là.",
    "form-language-04": "Le train part le matin. Les voyageurs sont dans le wagon. Il est tard.",
    "form-separated-00": "red, blue, green, black",
    "form-separated-01": "Spain, Italy, Norway, Poland",
    "form-separated-02": "piano\nflute\ndrum",
    "form-separated-03": "3 14 15 9 26 5",
    "form-separated-04": "apple/pear/plum",
    "form-repeat-00": "echo echo",
    "form-repeat-01": "hello hello hello hello hello",
    "form-repeat-02": "stop",
    "form-repeat-03": "yes yes yes yes yes indeed",
    "form-repeat-04": "again again again again again",
}


def test_every_instruction_has_its_examples() -> None:
    assert {str(draft["id"]) for draft in instructions()} == set(FOLLOWING) == set(NEARLY)


@pytest.mark.parametrize("draft", instructions(), ids=lambda draft: draft["id"])
def test_following_passes_and_nearly_following_does_not(draft: Draft) -> None:
    item = ITEMS[str(draft["id"])]
    assert is_right(item, Reply(text=FOLLOWING[item.item_id]))
    assert not is_right(item, Reply(text=NEARLY[item.item_id]))
