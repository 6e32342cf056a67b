import json
from pathlib import Path

import pytest

from paceline.adapters.quality.suites.read import hash_of, read_suite
from paceline.errors import SpecError
from paceline.records.quality import Check, CheckName, Message, Scorer, Split

GOOD = {"id": "a", "prompt": "Capital of France?", "answer": "Paris"}


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return path


def jsonl(folder: Path, *lines: object) -> Path:
    return written(folder / "mine.jsonl", *lines)


def test_a_short_item_gets_its_defaults(tmp_path: Path) -> None:
    suite = read_suite(jsonl(tmp_path, GOOD))
    (item,) = suite.items
    assert (suite.name, suite.version, item.category) == ("mine", "1", "own")
    assert item.messages == (Message(role="user", content="Capital of France?"),)
    assert (item.scorer, item.answer, item.split) == (Scorer.FINAL, "Paris", Split.MAIN)


def test_the_scorer_follows_from_the_fields(tmp_path: Path) -> None:
    base = {"prompt": "?"}
    suite = read_suite(
        jsonl(
            tmp_path,
            {**base, "id": "1", "regex": "^a"},
            {**base, "id": "2", "choices": ["x", "y"], "answer": "y"},
            {**base, "id": "3", "schema": {"type": "object"}},
            {**base, "id": "4", "checks": [{"check": "words", "most": 3}]},
            {**base, "id": "5", "python": "score"},
            {**base, "id": "6", "answer": 4, "scorer": "number"},
        )
    )
    assert [(item.scorer, item.answer) for item in suite.items] == [
        (Scorer.REGEX, "^a"),
        (Scorer.CHOICE, "B"),
        (Scorer.SCHEMA, ""),
        (Scorer.CHECKS, ""),
        (Scorer.PYTHON, "score"),
        (Scorer.NUMBER, "4"),
    ]
    assert suite.items[3].checks == (Check(name=CheckName.WORDS, most=3),)


def test_the_reference_models_form_is_read(tmp_path: Path) -> None:
    """A header with further keys, whose hash covers the item lines as written."""
    item = {
        "id": "facts-000",
        "category": "facts",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}],
        "answer": "7",
        "scorer": "last_line_exact",
        "max_tokens": 32,
    }
    line = json.dumps(item) + "\n"
    header = {"suite": "reference", "version": 1, "sha256": hash_of(line, None), "items": 1}
    suite = read_suite(jsonl(tmp_path, header, item))
    assert (suite.name, suite.version, suite.sha256) == ("reference", "1", header["sha256"])
    assert suite.items[0].scorer is Scorer.LAST_LINE_EXACT


def test_an_edited_suite_is_refused(tmp_path: Path) -> None:
    header = {"suite": "s", "version": 1, "sha256": "0" * 64}
    with pytest.raises(SpecError, match="suite-changed"):
        read_suite(jsonl(tmp_path, header, GOOD))


def test_weights_are_finite(tmp_path: Path) -> None:
    header = {"suite": "s", "version": 1, "weights": {"own": float("nan")}}
    with pytest.raises(SpecError, match="finite"):
        read_suite(jsonl(tmp_path, header, GOOD))


def test_the_hash_covers_weights_and_items(tmp_path: Path) -> None:
    def hashed(weights: dict[str, float], answer: str) -> str:
        header = {"suite": "s", "version": 1, "weights": weights}
        other = {**GOOD, "id": "b", "category": "x"}
        return read_suite(jsonl(tmp_path, header, {**GOOD, "answer": answer}, other)).sha256

    first = hashed({"own": 0.5, "x": 0.5}, "Paris")
    assert first == hashed({"x": 0.5, "own": 0.5}, "Paris")
    assert (
        len({first, hashed({"own": 0.6, "x": 0.4}, "Paris"), hashed({"own": 0.5, "x": 0.5}, "L")})
        == 3
    )


def test_a_line_separator_inside_a_text_does_not_end_the_line(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({**GOOD, "prompt": "a\u2028b"}, ensure_ascii=False) + "\n")
    assert read_suite(path).items[0].messages[0].content == "a\u2028b"


@pytest.mark.parametrize(
    ("bad", "because"),
    [
        ("{", "no JSON"),
        ("[1]", "a list where an object belongs"),
        ({"prompt": "?", "answer": "x"}, "`id`: Field required"),
        ({**GOOD, "id": "g"}, "the id 'g' is already taken"),
        ({**GOOD, "id": "b", "anwser": "x"}, "`anwser`: Extra inputs"),
        ({"id": "b", "answer": "x"}, "either `prompt` or `messages`"),
        ({"id": "b", "messages": [], "answer": "x"}, "the last message must be the user's"),
        ({**GOOD, "id": "b", "answer": ""}, "there is no answer"),
        ({**GOOD, "id": "b", "scorer": "number"}, "'Paris' is no number"),
        ({**GOOD, "id": "b", "scorer": "json"}, "'Paris' is no json"),
        ({"id": "b", "prompt": "?", "regex": "("}, "'(' is no regex"),
        ({**GOOD, "id": "b", "scorer": "likert"}, "`scorer`"),
        ({**GOOD, "id": "b", "choices": ["x"], "answer": "z"}, "answer 'z' is none of ['A']"),
        ({**GOOD, "id": "b", "scorer": "checks"}, "needs `checks`"),
        ({**GOOD, "id": "b", "scorer": "same"}, "an earlier reply of the model"),
        ({**GOOD, "id": "b", "scorer": "schema"}, "needs a `schema`"),
        ({"id": "b", "prompt": "?", "schema": {"type": "thing"}}, "cannot be used"),
        ({"id": "b", "prompt": "?", "schema": {"$ref": "#/nope"}}, "'#/nope' names nothing"),
        (
            {"id": "b", "prompt": "?", "schema": {"$ref": "http://h/s"}},
            "'http://h/s' names nothing",
        ),
        ({"id": "b", "prompt": "?", "schema": {"not": {"$ref": "#"}}}, "refers to itself"),
        ('{"id": "b", "prompt": "?", "answer": "x", "weight": Infinity}', "`weight`"),
        ('{"id": "b", "prompt": "?", "answer": "1", "tolerance": Infinity}', "`tolerance`"),
        ({**GOOD, "id": "b", "answer": "inf", "scorer": "number"}, "'inf' is no number"),
        ({"id": "b", "prompt": "?", "regex": "a{99999999999999}"}, "is no regex"),
        ({"id": "b", "prompt": "?", "regex": "(" * 3000 + ")" * 3000}, "is no regex"),
        ("[" * 100_000, "no JSON"),
        ({**GOOD, "id": "b", "prompt": "half of \ud83d"}, "half a character"),
        ({**GOOD, "id": "b", "max_tokens": 0}, "`max_tokens`"),
        ({**GOOD, "id": "b", "weight": 0}, "`weight`"),
        ({"id": "b", "prompt": "?", "python": "import os"}, "is no function name"),
        (
            {"id": "b", "messages": [{"role": "user", "content": None}], "answer": "x"},
            "only an assistant message",
        ),
    ],
)
def test_a_malformed_item_is_named_by_its_line(tmp_path: Path, bad: object, because: str) -> None:
    path = jsonl(tmp_path, {**GOOD, "id": "g"}, "", bad)
    with pytest.raises(SpecError) as caught:
        read_suite(path)
    assert f"line 3 of {str(path)!r}" in caught.value.what
    assert because in caught.value.why


@pytest.mark.parametrize(
    "weights",
    [
        {"own": 0.9},
        {"other": 1.0},
        {"own": 1.5, "other": -0.5},
        {"own": 0.5, "o": 0.5},
    ],
)
def test_weights_must_fit_the_categories(tmp_path: Path, weights: dict[str, float]) -> None:
    header = {"suite": "s", "version": 1, "weights": weights}
    with pytest.raises(SpecError, match="sum to 1"):
        read_suite(jsonl(tmp_path, header, GOOD))


def test_csv_cells_become_items(tmp_path: Path) -> None:
    path = written(
        tmp_path / "own.csv",
        "id,prompt,answer,choices,regex,weight",
        'a,"Which, if any?",y,x|y,,2',
        "b,Say\u2028a,,,^a,",
    )
    suite = read_suite(path)
    assert [item.scorer for item in suite.items] == [Scorer.CHOICE, Scorer.REGEX]
    assert suite.items[0].answer == "B"
    assert (suite.items[0].weight, suite.items[1].weight) == (2.0, 1.0)
    assert suite.items[1].messages[0].content == "Say\u2028a"


@pytest.mark.parametrize(
    ("row", "because"),
    [("b,x", "not as many cells"), ("b,?,x,y", "not as many cells"), (",?,x", "`id`")],
)
def test_a_malformed_row_is_named_by_its_line(tmp_path: Path, row: str, because: str) -> None:
    path = written(tmp_path / "own.csv", "id,prompt,answer", "a,?,x", row)
    with pytest.raises(SpecError) as caught:
        read_suite(path)
    assert "line 3 of" in caught.value.what
    assert because in caught.value.why


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "id,prompt,answer,answer", "a,?,x,y")
    with pytest.raises(SpecError, match="twice: answer"):
        read_suite(path)


def test_a_schema_may_refer_to_its_own_parts(tmp_path: Path) -> None:
    tree = {"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}}
    schema = {**tree, "$ref": "#/$defs/node", "default": {"$ref": "no reference"}}
    (item,) = read_suite(jsonl(tmp_path, {"id": "a", "prompt": "?", "schema": schema})).items
    assert item.scorer is Scorer.SCHEMA


def test_an_absent_binary_or_empty_file_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "b.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.jsonl", binary, written(tmp_path / "empty.jsonl")):
        with pytest.raises(SpecError, match="bad-input-file"):
            read_suite(path)
