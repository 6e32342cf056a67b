import pytest

from paceline.records.quality import Check, CheckName, Item, Message, Reply, Scorer
from paceline.trial.scorers import final_answer, is_right, last_number, plain, visible


def item(scorer: Scorer, answer: str = "", **more: object) -> Item:
    fields: dict[str, object] = {
        "item_id": "i",
        "category": "c",
        "messages": (Message(role="user", content="?"),),
        "scorer": scorer,
        "answer": answer,
        "max_tokens": 16,
    }
    return Item(**{**fields, **more})  # type: ignore[arg-type]  # fields by name


def right(asked: Item, text: str, *earlier: str) -> bool:
    return is_right(asked, Reply(text=text, earlier=earlier))


@pytest.mark.parametrize(
    ("scorer", "answer", "yes", "no"),
    [
        (Scorer.EXACT, "Paris", ["paris.", " PARIS ! "], ["Paris, France", "", "in Paris"]),
        (Scorer.CONTAINS, "Paris", ["It is paris.", "Paris"], ["Parisian", "Lyon", ""]),
        (Scorer.LAST_LINE_EXACT, "7", ["3 + 4\n7.", "7"], ["7\nis it", ""]),
        (
            Scorer.FINAL,
            "Nile",
            ["**The Nile**", "It flows north.\nAnswer: the Nile.", "The answer is “Nile”"],
            ["The Nile is long", "Answer: Amazon", ""],
        ),
        (Scorer.NUMBER, "1250", ["1,250", "= 1250.0 km", "-3 then 1250"], ["1250 or 9", "", "125"]),
        (Scorer.NUMBER, "-4", ["-4", "x = -4"], ["4", "8-4"]),
        (Scorer.REGEX, r"^a+b$", ["aab"], ["aabc", ""]),
        (Scorer.JSON, '{"a": 1}', ['{"a": 1.0}', '```json\n{"a": 1}\n```'], ['{"a": 2}', "a", ""]),
        (Scorer.JSON, '{"a": true}', ['{"a": true}'], ['{"a": 1}', '{"a": true, "b": 1}', "NaN"]),
    ],
)
def test_marks(scorer: Scorer, answer: str, yes: list[str], no: list[str]) -> None:
    assert [text for text in yes if not right(item(scorer, answer), text)] == []
    assert [text for text in no if right(item(scorer, answer), text)] == []


def test_every_scorer_of_texts_but_the_users_own_is_marked_here() -> None:
    for scorer in set(Scorer) - {Scorer.PYTHON, Scorer.PICTURE, Scorer.SHOWS}:
        asked = item(scorer, "1", choices=("x", "y"), checks=(Check(name=CheckName.LOWER),))
        assert isinstance(right(asked, "x"), bool)
    with pytest.raises(KeyError):
        right(item(Scorer.PYTHON, "f"), "x")


def test_further_right_answers_count() -> None:
    asked = item(Scorer.FINAL, "United States", also=("USA",))
    assert right(asked, "The USA")
    assert not right(asked, "UK")


def test_tolerance_is_absolute() -> None:
    asked = item(Scorer.NUMBER, "2.5", tolerance=0.1)
    assert right(asked, "about 2.6")
    assert not right(asked, "2.61")


@pytest.mark.parametrize(
    "text", ["B", "(b)", "B because it barks", "B) a dog", "b.", "Answer: B", "a dog", "**B**"]
)
def test_a_choice_is_its_letter_or_its_words(text: str) -> None:
    asked = item(Scorer.CHOICE, "B", choices=("cat", "dog", "bird"))
    assert right(asked, text)


@pytest.mark.parametrize(
    "text", ["A", "I think a cat", "cat or dog", "", "D", "Answer: C", "doggy"]
)
def test_another_or_no_choice_is_wrong(text: str) -> None:
    asked = item(Scorer.CHOICE, "B", choices=("cat", "dog", "bird"))
    assert not right(asked, text)


def test_a_schema_needs_validity_and_the_named_values() -> None:
    schema = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'
    asked = item(Scorer.SCHEMA, '{"n": 3}', schema=schema)
    assert right(asked, '{"n": 3}')
    assert not right(asked, '{"n": 4}')
    assert not right(asked, '{"n": "3"}')
    assert not right(asked, "[3]")
    assert not right(asked, 'Sure: {"n": 3}')


def test_same_compares_with_the_models_own_first_reply() -> None:
    asked = item(Scorer.SAME)
    assert right(asked, "You said blue.\nAnswer: blue", "Blue")
    assert not right(asked, "red", "Blue")
    assert not right(asked, "", "")
    assert not right(asked, "blue")
    assert not right(item(Scorer.SAME, choices=("red", "blue")), "ok", "ok")


def test_reasoning_before_the_answer_is_not_marked() -> None:
    assert visible("<think>is it 5?\n</think>\n4") == "4"
    assert not right(item(Scorer.CONTAINS, "5"), "<think>5</think>4")


def test_deeply_nested_json_is_wrong_and_no_crash() -> None:
    assert not right(item(Scorer.JSON, "[]"), "[" * 100_000)


@pytest.mark.parametrize(
    ("text", "number"), [("", None), ("no", None), (".5", 0.5), ("$1,000,000.5!", 1000000.5)]
)
def test_last_number(text: str, number: float | None) -> None:
    assert last_number(text) == number


def test_final_answer_prefers_the_last_mark() -> None:
    assert final_answer("Answer: 3\nno wait\nAnswer: 4\nthanks") == "4"
    assert final_answer("one\ntwo\n\n") == "two"
    assert final_answer(" \n") == ""


def test_plain_drops_marks_quotes_and_the_article() -> None:
    assert plain("*The* “Thames”,") == "thames"
