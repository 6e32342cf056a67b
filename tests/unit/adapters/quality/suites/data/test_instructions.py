"""Each instruction has a reply that follows it, and one that nearly does and fails."""

import pytest

from paceline.adapters.quality.suites.data.drafts import Draft
from paceline.adapters.quality.suites.data.instructions import instructions
from paceline.adapters.quality.suites.shelf import SuiteShelf
from paceline.records.quality import Reply
from paceline.trial.scorers import is_right

ITEMS = {item.item_id: item for item in SuiteShelf().find("standard").items}

# Written by hand: first a reply that does as it is told, then one that does not quite.
EXAMPLES: dict[str, tuple[str, str]] = {
    "form-words-00": ("Salt, wind and endless blue.", "The sea is blue."),
    "form-words-01": ("Two wheels, one chain, and open roads.", "Two wheels and a chain."),
    "form-words-02": ("Snow quiets every street.", "Winter is cold and quiet."),
    "form-words-03": ("Nothing beats my grandmother's potato soup.", "I like soup."),
    "form-words-04": (
        "It is a public place with many books, to be read there or to be taken home for a while.",
        "A library lends books.",
    ),
    "form-sentences-00": (
        "Rain falls on the roof. It fills the river.",
        "Rain falls all day long.",
    ),
    "form-sentences-01": (
        "Bring water to the boil. Put the egg in gently. Take it out after seven minutes.",
        "Boil the water first. Put the egg in for seven minutes.",
    ),
    "form-sentences-02": ("Dogs wag their tails.", "Dogs bark at night. They sleep by day."),
    "form-sentences-03": ("The Moon circles the Earth. It has no air.", "It circles the Earth."),
    "form-sentences-04": (
        "Trains run on rails. They carry many people. Some are very fast. I like the night train.",
        "Trains run on rails. They carry many people. Some are very fast.",
    ),
    "form-bullets-00": ("- towel\n- hat\n- sun cream", "- towel\n- hat"),
    "form-bullets-01": ("- owl\n- bat\n- bee\n- swan", "Here:\n- owl\n- bat\n- bee\n- swan"),
    "form-bullets-02": ("- a\n- b\n- c\n- d\n- e", "1. a\n2. b\n3. c\n4. d\n5. e"),
    "form-bullets-03": ("- rain\n- snow\n- fog", "rain\nsnow\nfog"),
    "form-bullets-04": ("- a\n- b\n- c\n- d\n- e\n- f", "- a\n- b\n- c\n- d\n- e\n- f\n- g"),
    "form-numbered-00": ("1. Wet\n2. Soap\n3. Rinse\n4. Dry", "1. Wet\n2. Soap\n3. Rinse"),
    "form-numbered-01": ("1. May\n2. June\n3. July\n4. August\n5. October", "May, June, July"),
    "form-numbered-02": ("1. whisk\n2. knife\n3. ladle", "Tools:\n1. whisk\n2. knife\n3. ladle"),
    "form-numbered-03": ("1. Safety\n2. Fun\n3. Health", "- Safety\n- Fun\n- Health"),
    "form-numbered-04": (
        "1. root\n2. trunk\n3. twig\n4. leaf",
        "2. root\n3. trunk\n4. twig\n5. leaf",
    ),
    "form-lower-00": ("the garden is full of bees.", "The garden is full of bees."),
    "form-lower-01": ("lights glow in every street.", "lights glow over Rome tonight."),
    "form-lower-02": ("a good friend always listens.", "a friend listens and I talk."),
    "form-lower-03": ("everyone was new and nervous.", "everyone waved at Mum that day."),
    "form-lower-04": ("music fills the whole house.", "MUSIC FILLS THE WHOLE HOUSE."),
    "form-upper-00": ("THE GARDEN IS FULL OF BEES.", "THE GARDEN IS full OF BEES."),
    "form-upper-01": ("LIGHTS GLOW IN EVERY STREET.", "Lights Glow In Every Street."),
    "form-upper-02": ("A GOOD FRIEND ALWAYS LISTENS.", "LISTENS WELL."),
    "form-upper-03": ("EVERYONE WAS NEW AND NERVOUS.", "everyone was new and nervous."),
    "form-upper-04": ("MUSIC FILLS THE WHOLE HOUSE.", "MUSIC FILLS THE WHOLE HOUSe."),
    "form-include-00": (
        "We crossed the river by the old bridge, the dog running ahead.",
        "We crossed rivers by the old bridge, the dog running ahead.",
    ),
    "form-include-01": ("A knife, a pot of soup, one window.", "A knife and a pot of soup."),
    "form-include-02": ("The rocket left a star of fire. Silence came.", "The rocket met stars."),
    "form-include-03": ("Her basket held apples. What noise!", "Her basket held an apple. Noise!"),
    "form-include-04": (
        "Thunder shook the roof. I lit a candle.",
        "Thunder shook. A candle. Rain. Dark.",
    ),
    "form-avoid-00": ("The sky is wide and clear today.", "The sky is a wide blue dome."),
    "form-avoid-01": (
        "Coffee smells of mornings. It keeps people awake.",
        "It is a black brew made hot.",
    ),
    "form-avoid-02": ("Tall trees stand close. Birds sing above.", "Tall, old trees stand close."),
    "form-avoid-03": ("Flakes cover the silent fields.", "Snow is cold and covers fields."),
    "form-avoid-04": ("Breakfast is bread with jam.", "Breakfast is bread, jam and tea."),
    "form-frame-00": (
        "Dear neighbour, I have your parcel here. Please ring. Kind regards.",
        "Hello neighbour, I have your parcel here. Please ring. Kind regards.",
    ),
    "form-frame-01": (
        "Bread feeds us all. Its smell is home. That is all.",
        "Bread feeds us all each day.",
    ),
    "form-frame-02": (
        "Tip: turn off the tap while brushing. Good luck.",
        "Turn off the tap. Good luck.",
    ),
    "form-frame-03": (
        "Once upon a time a bear slept. It dreamt of honey. The end.",
        "Once upon a time a bear slept. The end. Sleep well now.",
    ),
    "form-frame-04": (
        "Trains let you read on the way. Thank you.",
        "Trains let you read. Thanks a lot.",
    ),
    "form-language-00": (
        "Mi pueblo está cerca del mar. Las calles son muy tranquilas. Me gusta la plaza.",
        "My town is near the sea. The streets are quiet. I like the square.",
    ),
    "form-language-01": (
        "La mer est calme. Les bateaux sont dans le port. Elle brille sous le soleil.",
        "Das Meer ist ruhig. Die Boote sind im Hafen. Die Sonne scheint auf das Wasser.",
    ),
    "form-language-02": (
        "Das Wetter ist heute schön. Die Sonne scheint. Der Wind ist nicht kalt.",
        "Il tempo è bello. Il sole splende nel cielo. Il vento non è freddo.",
    ),
    "form-language-03": (
        "La famiglia è a tavola. Il nonno parla della guerra. Gli spaghetti sono pronti per tutti.",
        "La famille est à table. Le repas est dans la salle. Les enfants sont avec elle.",
    ),
    "form-language-04": (
        "El tren sale por la mañana. Los viajeros miran el paisaje. La llegada es muy tarde.",
        "Le train part le matin. Les voyageurs sont dans le wagon. Il est tard.",
    ),
    "form-separated-00": ("red, blue, green, black, white", "red, blue, green, black"),
    "form-separated-01": ("Spain; Italy; Norway; Poland", "Spain, Italy, Norway, Poland"),
    "form-separated-02": ("piano | flute | drum", "piano\nflute\ndrum"),
    "form-separated-03": ("3, 14, 15, 9, 26, 5", "3 14 15 9 26 5"),
    "form-separated-04": ("apple/pear/plum/fig", "apple/pear/plum"),
    "form-repeat-00": ("echo echo echo", "echo echo"),
    "form-repeat-01": ("hello hello hello hello", "hello hello hello hello hello"),
    "form-repeat-02": ("stop stop", "stop"),
    "form-repeat-03": ("yes yes yes yes yes", "yes yes yes yes yes indeed"),
    "form-repeat-04": ("again again again again again again", "again again again again again"),
}


def test_every_instruction_has_its_examples() -> None:
    assert {str(draft["id"]) for draft in instructions()} == set(EXAMPLES)


@pytest.mark.parametrize("draft", instructions(), ids=lambda draft: draft["id"])
def test_following_passes_and_nearly_following_does_not(draft: Draft) -> None:
    item = ITEMS[str(draft["id"])]
    good, bad = EXAMPLES[item.item_id]
    assert is_right(item, Reply(text=good))
    assert not is_right(item, Reply(text=bad))
