import pytest

from paceline.adapters.quality.suites.data.drafts import Draft
from paceline.adapters.quality.suites.data.general import general

CHOICES = [draft for draft in general() if draft["scorer"] == "choice"]
SHORT = [draft for draft in general() if draft["scorer"] == "contains"]


def prompt(draft: Draft) -> str:
    content: str = draft["messages"][0]["content"]
    return content


@pytest.mark.parametrize("draft", CHOICES, ids=lambda draft: draft["id"])
def test_a_choice_shows_four_different_ones(draft: Draft) -> None:
    choices: list[str] = draft["choices"]
    assert len({choice.casefold() for choice in choices}) == 4
    for label, choice in zip("ABCD", choices, strict=True):
        assert f"\n{label}) {choice}" in prompt(draft)


def test_no_letter_is_right_too_often() -> None:
    letters = [draft["answer"] for draft in CHOICES]
    assert max(letters.count(letter) for letter in "ABCD") <= 0.45 * len(letters)


@pytest.mark.parametrize("draft", SHORT, ids=lambda draft: draft["id"])
def test_a_short_answer_stands_in_its_question_only_when_that_offers_two(draft: Draft) -> None:
    words = set(prompt(draft).casefold().replace("?", "").split())
    offers_two = " or " in prompt(draft)
    assert offers_two or str(draft["answer"]).casefold() not in words
