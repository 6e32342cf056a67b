"""The fake engine's answers follow the suite and the accuracy it was given."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from paceline.adapters.quality.suites import SuiteShelf
from paceline.records.quality import Item, Reply
from paceline.runtimes.fake_server.answers import AnswerBook, WordCodec, filler
from paceline.trial.scorers import is_right

ITEMS = [
    {
        "id": f"i{n}",
        "messages": [
            {"role": "user", "content": f"Remember {n}."},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "Which number?"},
        ],
        "answer": str(n),
    }
    for n in range(400)
]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in [{"suite": "s"}, *ITEMS]))
    return path


def prompt(n: int, reply: str = "Noted.") -> str:
    return WordCodec().chat_prompt(
        [
            {"role": "user", "content": f"Remember {n}."},
            {"role": "assistant", "content": reply},
            {"role": "user", "content": "Which number?"},
        ],
        {},
    )


def right(book: AnswerBook) -> set[int]:
    return {n for n in range(400) if book.answer(prompt(n)) == str(n)}


def test_accuracy_is_kept_and_worse_books_fail_on_more_of_the_same(suite: Path) -> None:
    good = right(AnswerBook(suite, accuracy=0.9))
    poor = right(AnswerBook(suite, accuracy=0.6))
    assert 0.85 <= len(good) / 400 <= 0.95
    assert 0.53 <= len(poor) / 400 <= 0.67
    assert poor < good


def test_whatever_the_model_said_before_does_not_matter(suite: Path) -> None:
    book = AnswerBook(suite, accuracy=1.0)
    assert book.answer(prompt(3, reply="whatever")) == "3"


def test_first_turns_are_acknowledged_and_strangers_are_not_known(suite: Path) -> None:
    book = AnswerBook(suite, accuracy=1.0)
    first = WordCodec().chat_prompt([{"role": "user", "content": "Remember 7."}], {})
    assert book.answer(first) == "Noted."
    assert book.answer(WordCodec().chat_prompt([{"role": "user", "content": "Hi"}], {})) is None
    assert book.answer("no JSON at all") is None


def test_a_suite_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert AnswerBook(tmp_path / "none", accuracy=1.0).answer(prompt(1)) is None


def test_words_survive_encoding() -> None:
    codec = WordCodec()
    text = "  one two\nthree "
    assert codec.text(codec.encode(text, special=True)) == text
    assert codec.piece(10_000) == " 10000"
    assert len(filler(25)) == 25


def ask(book: AnswerBook, item: Item) -> Reply:
    """The item asked turn by turn, with the engine's own replies in between."""
    said: list[dict[str, str | None]] = []
    earlier: list[str] = []
    for message in item.messages:
        if message.content is None:
            earlier.append(book.answer(WordCodec().chat_prompt(said, {})) or "")
        said.append({"role": message.role, "content": message.content or earlier[-1]})
    last = book.answer(WordCodec().chat_prompt(said, {}))
    return Reply(text=last or "", earlier=tuple(earlier))


def test_every_item_of_the_standard_suite_can_be_answered_rightly() -> None:
    path = Path(str(files("paceline.adapters.quality.suites.data") / "standard.jsonl"))
    items = SuiteShelf().find("standard").items
    book = AnswerBook(path, accuracy=1.0)
    assert [item.item_id for item in items if not is_right(item, ask(book, item))] == []
    poor = AnswerBook(path, accuracy=0.8)
    right = sum(is_right(item, ask(poor, item)) for item in items)
    assert 0.75 <= right / len(items) <= 0.87


def test_several_suites_are_known_at_once(suite: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    item = {"id": "x", "messages": [{"role": "user", "content": "Hi"}], "answer": "there"}
    other.write_text(json.dumps(item))
    book = AnswerBook(suite, other, accuracy=1.0)
    assert book.answer(WordCodec().chat_prompt(item["messages"], {})) == "there"  # type: ignore[arg-type]
    assert book.answer(prompt(3)) == "3"
