from pathlib import Path

import pytest

from paceline.app.calibration import MOST_TEXTS, built_in, read_calibration
from paceline.errors import Code, SpecError


def test_the_built_in_text_is_varied_and_never_empty() -> None:
    calibration = built_in()
    assert len(calibration.texts) > 30
    assert all(len(text) > 40 for text in calibration.texts)
    assert built_in().sha256 == calibration.sha256


def test_paragraphs_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("one\nstill one\n\n\n\ntwo\n")
    assert read_calibration(path).texts == ("one\nstill one", "two")
    assert read_calibration(path).name == "own.txt"


def test_json_lines_have_text_prompts_or_messages(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    messages = '{"messages": [{"role": "user", "content": "c"}, {"content": "d"}, {"tool": 1}]}'
    path.write_text(f'{{"text": "a"}}\n{{"prompt": "b"}}\n\n{messages}\n"e"\n')
    assert read_calibration(path).texts == ("a", "b", "c\nd", "e")


def test_of_many_texts_some_from_all_over_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("\n\n".join(str(number) for number in range(4 * MOST_TEXTS)))
    texts = read_calibration(path).texts
    assert len(texts) == MOST_TEXTS
    assert texts[:2] == ("0", "4")
    assert texts[-1] == str(4 * MOST_TEXTS - 4)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", b"\n\n", "no text"),
        ("a.txt", b"\xff\xfe", "utf-8"),
        ("a.jsonl", b'{"text": "a"}\n{', "line 2"),
        ("a.jsonl", b'{"words": "a"}', "line 1 has none of"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_calibration(path)
    assert caught.value.code is Code.BAD_INPUT_FILE
    assert why in caught.value.why
