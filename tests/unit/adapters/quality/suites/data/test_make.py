import json
from collections import Counter
from pathlib import Path

import pytest

from paceline.adapters.quality.suites.data import make
from paceline.adapters.quality.suites.data.make import CANARY, WEIGHTS, render
from paceline.adapters.quality.suites.shelf import SuiteShelf
from paceline.records.quality import Item, Reply, Scorer, Split, Suite
from paceline.trial.scorers import is_right


@pytest.fixture(scope="module")
def suite() -> Suite:
    return SuiteShelf().find("standard")


def test_the_file_is_what_the_sources_make() -> None:
    shipped = (Path(make.__file__).parent / "standard.jsonl").read_text(encoding="utf-8")
    assert shipped == render()
    assert CANARY in shipped


def test_has_enough_items_to_decide_and_some_for_reporting_only(suite: Suite) -> None:
    splits = Counter(item.split for item in suite.items)
    assert splits[Split.MAIN] >= 400
    assert splits[Split.REPORT] >= 60
    for split in Split:
        assert {item.category for item in suite.only(split).items} == set(WEIGHTS)


def test_no_question_is_asked_twice(suite: Suite) -> None:
    asked = Counter(repr(item.messages) for item in suite.items)
    assert [question for question, times in asked.items() if times > 1] == []


def ideal(item: Item) -> Reply | None:
    """The reply that the item itself calls right; `None` where it names a property only."""
    match item.scorer:
        case Scorer.CHECKS:
            return None
        case Scorer.SAME:
            return Reply(text=item.choices[0], earlier=(item.choices[0],))
        case _:
            return Reply(text=item.answer)


def test_the_stated_answer_is_marked_right(suite: Suite) -> None:
    replies = [(item, ideal(item)) for item in suite.items]
    assert [item.item_id for item, reply in replies if reply and not is_right(item, reply)] == []


def test_wrapping_the_answer_as_models_do_is_still_right(suite: Suite) -> None:
    def wrapped(item: Item) -> str:
        match item.scorer:
            case Scorer.SCHEMA | Scorer.JSON:
                return f"```json\n{item.answer}\n```"
            case Scorer.NUMBER | Scorer.FINAL:
                return f"<think>Is it 99?</think>\n**Answer: {item.answer}.**"
            case _:
                return f"{item.answer}."

    marked = [item for item in suite.items if item.scorer not in (Scorer.CHECKS, Scorer.SAME)]
    wrong = [i.item_id for i in marked if not is_right(i, Reply(text=wrapped(i)))]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["", "I don't know.", "?", "{}", "the the the", "As an AI model, I cannot help."]
)
def test_no_single_reply_gets_anywhere(suite: Suite, text: str) -> None:
    reply = Reply(text=text, earlier=(text,))
    passed = Counter(item.category for item in suite.items if is_right(item, reply))
    assert passed.total() <= 0.03 * len(suite.items), passed


def test_the_most_frequent_answer_is_no_way_to_a_score(suite: Suite) -> None:
    answers = Counter(item.answer for item in suite.items if item.answer)
    best, _ = answers.most_common(1)[0]
    passed = sum(is_right(item, Reply(text=best)) for item in suite.items)
    assert passed <= 0.04 * len(suite.items)


def test_schemas_are_not_met_by_the_value_of_another_item(suite: Suite) -> None:
    items = [item for item in suite.items if item.scorer is Scorer.SCHEMA]
    others = items[1:] + items[:1]
    passed = [
        item.item_id
        for item, other in zip(items, others, strict=True)
        if json.loads(item.answer) != json.loads(other.answer)
        and is_right(item, Reply(text=other.answer))
    ]
    assert passed == []
