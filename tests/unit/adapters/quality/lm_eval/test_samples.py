"""Samples as 0.4.13 logs them, captured from a run on a small task of our own."""

import json
import shutil
from pathlib import Path

import pytest

from paceline.adapters.quality.lm_eval.samples import read_samples
from paceline.errors import SetupError

GOLDEN = Path(__file__).parents[5] / "tests/golden/lm_eval/samples_doubles_0.4.13.jsonl"


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(GOLDEN, folder / "samples_doubles_2026-11-21T03-32-48.085761.jsonl")
    return folder


def test_each_item_has_its_score_and_answer(logged: Path) -> None:
    suite, scores = read_samples(logged)
    assert suite.name == "lm-eval: doubles"
    assert suite.weights == {"doubles": 1.0}
    assert [(score.item_id, score.score) for score in scores] == [
        ("doubles/0", 0.0),
        ("doubles/1", 1.0),
        ("doubles/2", 1.0),
    ]
    assert scores[1].answer == '["2"]'
    assert [item.answer for item in suite.items] == ["0", "2", "4"]


def test_the_hash_follows_what_was_asked(logged: Path) -> None:
    (path,) = logged.iterdir()
    before = read_samples(logged)[0].sha256
    path.write_text(path.read_text().replace('["2"]', '["3"]'))
    assert read_samples(logged)[0].sha256 == before
    path.write_text(path.read_text().replace("twice 1?", "twice 11?"))
    assert read_samples(logged)[0].sha256 != before


def test_an_item_under_two_filters_counts_once_by_the_first(logged: Path) -> None:
    (path,) = logged.iterdir()
    first = json.loads(path.read_text().split("\n")[0])
    again = {**first, "filter": "flexible", "exact_match": 1.0}
    path.write_text(path.read_text() + json.dumps(again) + "\n")
    _, scores = read_samples(logged)
    assert [score.score for score in scores] == [0.0, 1.0, 1.0]


def test_tasks_weigh_the_same(logged: Path) -> None:
    shutil.copy(GOLDEN, logged / "samples_other_task_2026-11-21T03-32-48.085761.jsonl")
    suite, _ = read_samples(logged)
    assert suite.weights == {"doubles": 0.5, "other_task": 0.5}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "no samples"),
        ("{", "Expecting"),
        ('{"doc_id": 1}', "lacks ['arguments'"),
        (
            '{"doc_id":1,"target":"","arguments":{},"filtered_resps":[],"metrics":["ppl"],"ppl":7}',
            "none of ['ppl'] is between 0 and 1",
        ),
    ],
)
def test_a_log_that_cannot_be_used_is_told(logged: Path, line: str, why: str) -> None:
    (path,) = logged.iterdir()
    path.write_text(line)
    with pytest.raises(SetupError) as caught:
        read_samples(logged)
    assert why in caught.value.why
