"""Items that ask for pictures."""

from pathlib import Path

import pytest

from paceline.adapters.quality.suites.read import parse_jsonl
from paceline.errors import SpecError
from paceline.records.quality import Scorer

HEADER = '{"suite": "s", "version": 1, "weights": {"fidelity": 0.6, "content": 0.4}}\n'
CIRCLE = '{"id": "c", "prompt": "a red circle", "seed": 7, "shows": "red circle"}\n'
HARBOUR = '{"id": "h", "prompt": "a harbour", "seed": 8}\n'


def test_a_picture_that_must_show_something_is_two_items() -> None:
    suite = parse_jsonl(Path("s.jsonl"), HEADER + CIRCLE + HARBOUR)
    told = [(item.item_id, item.category, item.scorer, item.answer) for item in suite.items]
    assert told == [
        ("c", "fidelity", Scorer.PICTURE, "red circle"),
        ("c/content", "content", Scorer.SHOWS, "red circle"),
        ("h", "fidelity", Scorer.PICTURE, ""),
    ]
    assert [item.seed for item in suite.items] == [7, 7, 8]
    assert suite.weights == {"fidelity": 0.6, "content": 0.4}


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ('{"id": "a", "prompt": "x", "scorer": "picture"}', "needs a `seed`"),
        ('{"id": "a", "prompt": "x", "seed": -1}', "`seed`"),
        ('{"id": "a", "prompt": "x", "seed": 2147483648}', "`seed`"),
        ('{"id": "a", "prompt": "x", "seed": 1, "scorer": "shows"}', "beside its `seed`"),
    ],
)
def test_pictures_that_cannot_be_asked_for_are_refused(line: str, because: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_jsonl(Path("s.jsonl"), line)
    assert because in caught.value.why
