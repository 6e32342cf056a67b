import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from paceline.adapters.quality.suites.answers import asked_key, open_book
from paceline.adapters.quality.suites.evaluate import SuiteEvaluator
from paceline.errors import PacelineError
from paceline.records.load import Target
from paceline.records.quality import QualityResult, Reply
from paceline.testing.quality import PlainGrader, small_suite

TARGET = Target(base_url="http://engine", model="m", api_key="secret")
SUITE = small_suite(6)
KEY = asked_key(TARGET, SUITE, seed=1)


class Engine:
    """Answers `right`; fails from the given request on, as a killed server does."""

    def __init__(self, fails_from: int = 1_000) -> None:
        self.asked = 0
        self._fails_from = fails_from

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.asked > self._fails_from:
            raise httpx.ConnectError("gone")
        return httpx.Response(200, json={"choices": [{"message": {"content": "right"}}]})


def ask(engine: Engine, path: Path, target: Target = TARGET, seed: int = 1) -> QualityResult:
    evaluator = SuiteEvaluator(answers_path=path, transport=httpx.MockTransport(engine))
    return evaluator.evaluate(target, SUITE, grader=PlainGrader(), seed=seed, concurrency=1)


def test_asking_again_takes_up_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    assert ask(Engine(fails_from=4), path).errors == 2
    engine = Engine()
    assert ask(engine, path).score == 1.0
    assert engine.asked == 2
    assert ask(Engine(fails_from=0), path).score == 1.0


def test_a_line_cut_off_by_a_crash_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    ask(Engine(), path)
    path.write_text(path.read_text()[:-10])
    engine = Engine()
    ask(engine, path)
    assert engine.asked == 1
    assert ask(Engine(fails_from=0), path).errors == 0


def test_a_crash_in_the_first_line_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(KEY)[:20])
    engine = Engine()
    assert ask(engine, path).score == 1.0
    assert engine.asked == 6
    assert ask(Engine(fails_from=0), path).errors == 0


def test_replies_come_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    reply = Reply(text="a\u2028\ud800b", earlier=("x", ""), finish_reason="stop")
    with open_book(path, KEY) as book:
        book.keep(SUITE.items[0], reply)
    with open_book(path, KEY) as book:
        assert book.find(SUITE.items[0]) == reply
        assert book.find(SUITE.items[1]) is None


def test_the_key_is_not_written_down(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    ask(Engine(), path)
    assert "secret" not in path.read_text()


@pytest.mark.parametrize(
    ("target", "seed", "why"),
    [
        (replace(TARGET, model="other"), 1, "model was 'm' there and is 'other' now"),
        (replace(TARGET, base_url="http://b"), 1, "base_url was"),
        (TARGET, 2, "seed was 1 there and is 2 now"),
    ],
)
def test_answers_to_something_else_are_refused(
    tmp_path: Path, target: Target, seed: int, why: str
) -> None:
    path = tmp_path / "answers.jsonl"
    ask(Engine(), path)
    with pytest.raises(PacelineError, match="bad-input-file") as caught:
        ask(Engine(), path, target, seed)
    assert why in caught.value.why


@pytest.mark.parametrize("text", ["no json\n", "[]\n", f"{json.dumps(dict(KEY))}\n[1]\n"])
def test_a_file_that_is_no_book_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(text)
    with pytest.raises(PacelineError, match="holds no answers"):
        ask(Engine(), path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match="store-unusable"):
        ask(Engine(), tmp_path / "absent" / "answers.jsonl")
