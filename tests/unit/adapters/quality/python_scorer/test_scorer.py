from pathlib import Path

import pytest

from paceline.adapters.quality.python_scorer import PythonScorer
from paceline.errors import CandidateError, SpecError
from paceline.records.quality import Item, Reply, Scorer
from paceline.testing.builders import an_item

SOURCE = """
import os, socket, subprocess, sys

def length(reply, item):
    print("thinking")
    return len(reply) / 10

def sees_the_item(reply, item):
    return float(item["id"] == "i" and item["messages"][0]["content"] == "?")

def hangs(reply, item):
    while True:
        pass

def writes(reply, item):
    with open("was-here", "w") as file:
        file.write("x")
    return 1

def writes_low(reply, item):
    os.open("here", os.O_WRONLY | os.O_CREAT)
    return 1

def links(reply, item):
    os.link(__file__, "linked")
    return 1

def changes_rights(reply, item):
    os.chmod(__file__, 0)
    return 1

def keeps_a_database(reply, item):
    import sqlite3
    sqlite3.connect("kept.db").execute("create table t (a)")
    return 1

def eats(reply, item):
    return len(bytearray(8 << 30))

def connects(reply, item):
    socket.create_connection(("127.0.0.1", 9))
    return 1

def spawns(reply, item):
    return subprocess.run(["true"]).returncode

def dies(reply, item):
    os._exit(3)

def too_much(reply, item):
    return 2

def text(reply, item):
    return "good"

def nothing(reply, item):
    return None

def not_a_number(reply, item):
    return float("nan")
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scorers") / "scorers.py"
    path.write_text(SOURCE)
    return path


def item(function: str) -> Item:
    return an_item("i", category="own", scorer=Scorer.PYTHON, answer=function)


def score(path: Path, function: str, *, timeout_s: float = 60.0) -> float:
    return PythonScorer(path, timeout_s=timeout_s).score(item(function), Reply(text="hello"))


def test_scores_a_reply_and_ignores_what_is_printed(path: Path) -> None:
    assert score(path, "length") == 0.5
    assert score(path, "sees_the_item") == 1.0


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("writes", "may not write 'was-here'"),
        ("writes_low", "may not write 'here'"),
        ("links", "may not use os.link"),
        ("changes_rights", "may not use os.chmod"),
        ("keeps_a_database", "may not use sqlite3.connect"),
        ("eats", "MemoryError"),
        ("connects", "may not use socket."),
        ("spawns", "may not use subprocess.Popen"),
        ("dies", "exit code 3"),
        ("too_much", "2.0, not 0 to 1"),
        ("text", "could not convert"),
        ("nothing", "TypeError"),
        ("not_a_number", "nan, not 0 to 1"),
        ("absent", "KeyError: 'absent'"),
    ],
)
def test_a_scorer_that_misbehaves_is_stopped_and_told(path: Path, function: str, why: str) -> None:
    with pytest.raises(CandidateError, match="scorer-failed") as caught:
        score(path, function)
    assert why in caught.value.why


def test_a_scorer_that_hangs_is_stopped(path: Path) -> None:
    with pytest.raises(CandidateError) as caught:
        score(path, "hangs", timeout_s=0.3)
    assert "no score after 0.3 s" in caught.value.why


def test_a_file_that_is_no_python_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def (")
    with pytest.raises(CandidateError, match="SyntaxError"):
        score(broken, "length")


def test_an_absent_file_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no scorer file"):
        PythonScorer(tmp_path / "absent.py")
