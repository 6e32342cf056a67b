import stat
from pathlib import Path

import pytest

from paceline.deploy.gateway import answer_file
from paceline.deploy.gateway.answer_file import FILE, AnswerFile
from paceline.deploy.gateway.idempotency import KEPT_S, Answer, Idempotency

NAME = ("key\0demo", b"one")
GOOD = Answer(status=200, content_type=b"application/json", body=b"{}")


def test_what_one_gateway_answered_the_next_repeats(tmp_path: Path) -> None:
    first = AnswerFile(tmp_path)
    store = Idempotency(first)
    store.finish(store.begin(NAME, b"digest", 5.0), GOOD)
    first.close()
    entry = Idempotency(AnswerFile(tmp_path)).find(NAME, 5.0)
    assert entry is not None
    assert (entry.digest, entry.answer) == (b"digest", GOOD)
    assert Idempotency(AnswerFile(tmp_path)).find((NAME[0], b"two"), 5.0) is None


def test_it_is_kept_for_a_day_by_the_wall_clock(tmp_path: Path) -> None:
    now_s = 1e9
    kept = AnswerFile(tmp_path, wall_s=lambda: now_s)
    kept.keep(NAME, b"digest", GOOD)
    now_s += KEPT_S - 1
    found = kept.find(NAME)
    assert found is not None
    assert found.age_s == KEPT_S - 1
    now_s += 1
    assert kept.find(NAME) is None


def test_an_entry_that_was_found_grows_old_with_the_first_answer(tmp_path: Path) -> None:
    now_s = 1e9
    kept = AnswerFile(tmp_path, wall_s=lambda: now_s)
    kept.keep(NAME, b"digest", GOOD)
    now_s += KEPT_S - 1
    store = Idempotency(kept)
    assert store.find(NAME, 100.0) is not None
    now_s += 1
    assert store.find(NAME, 101.5) is None


def test_the_oldest_go_when_the_file_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_file, "MOST_FILE_BYTES", 10)
    now_s = 1e9
    kept = AnswerFile(tmp_path, wall_s=lambda: now_s)
    for number in range(answer_file.SWEEP_EVERY):
        now_s += 1
        kept.keep((NAME[0], b"%d" % number), b"digest", GOOD)
    left = [n for n in range(answer_file.SWEEP_EVERY) if kept.find((NAME[0], b"%d" % n))]
    assert left == list(range(answer_file.SWEEP_EVERY - 5, answer_file.SWEEP_EVERY))


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    AnswerFile(tmp_path).keep(NAME, b"digest", GOOD)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob(f"{FILE}*")}
    assert modes == {0o600}


def test_a_file_that_is_none_is_said_and_does_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE).write_text("not a database, and long enough to be looked at" * 50)
    kept = AnswerFile(tmp_path)
    kept.keep(NAME, b"digest", GOOD)
    assert kept.find(NAME) is None
    assert "kept in memory alone" in capsys.readouterr().err
