import pytest

from paceline.records.quality import Check, CheckName
from paceline.trial.checks import CHECKS, holds, language, sentences, words


def test_every_check_has_its_rule() -> None:
    assert set(CHECKS) == set(CheckName)


@pytest.mark.parametrize(
    ("check", "yes", "no"),
    [
        (Check(name=CheckName.WORDS, least=2, most=3), "it's well-known now", "one"),
        (Check(name=CheckName.SENTENCES, least=2, most=2), 'Go. "Stop!"', "It is 3.5 m. A. B."),
        (Check(name=CheckName.LINES, most=2), "a\n\nb", "a\nb\nc"),
        (Check(name=CheckName.CHARACTERS, most=4), " four ", "fives"),
        (Check(name=CheckName.BULLETS, least=2, most=2), "Here:\n- a\n* b", "- a\n-b"),
        (Check(name=CheckName.NUMBERED, least=2), "1. a\n2) b", "1. a\n- b"),
        (Check(name=CheckName.PARTS, text=",", least=3, most=3), "a, b, c.", "a, b"),
        (Check(name=CheckName.WORD_TIMES, text="cat", least=2, most=2), "Cat, cat", "cat scatter"),
        (Check(name=CheckName.HAS, text="old town"), "the Old Town", "old towns"),
        (Check(name=CheckName.LACKS, text="red"), "reddish", "a red one"),
        (Check(name=CheckName.LACKS_TEXT, text=","), "a b", "a, b"),
        (Check(name=CheckName.STARTS, text="Dear"), " dear Ann", "Oh dear"),
        (Check(name=CheckName.ENDS, text="bye."), "Good bye.\n", "bye"),
        (Check(name=CheckName.MATCHES, text=r"\d{3}"), " 123\n", "1234"),
        (Check(name=CheckName.LOWER), "all low 3", "Not"),
        (Check(name=CheckName.UPPER), "HI 3!", "3"),
        (Check(name=CheckName.LANGUAGE, text="de"), "Der Hund ist nicht mit", "The dog is"),
    ],
)
def test_check(check: Check, yes: str, no: str) -> None:
    assert holds(check, yes)
    assert not holds(check, no)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("en", "The sea is calm and the boats are in the harbour."),
        ("es", "El perro duerme en la casa y los gatos están con las niñas."),
        ("fr", "Le chien dort dans la maison et les chats sont avec la fille."),
        ("de", "Der Hund schläft im Haus und die Katzen sind nicht bei dem Kind."),
        ("it", "Il cane dorme nella casa e gli uccelli sono con il gatto della nonna."),
    ],
)
def test_language_by_function_words(name: str, text: str) -> None:
    assert language(text) == name


def test_no_language_without_function_words() -> None:
    assert language("xyzzy 42") is None


def test_counting_words_and_sentences() -> None:
    assert words("It\u2019s 3 o'clock, co-op!") == ["It\u2019s", "3", "o'clock", "co-op"]
    assert sentences("Really?! Yes.") == 2
