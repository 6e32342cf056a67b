import json
from pathlib import Path

import pytest

from paceline.adapters.quality.suites.shelf import SuiteShelf
from paceline.errors import SpecError
from paceline.records.quality import Reply, Suite
from paceline.trial.scoring import SuiteGrader, summarize


def suite_file(folder: Path, name: str, ids: str, **header: object) -> Path:
    path = folder / f"{name}.jsonl"
    first = json.dumps({"suite": name, "version": 1, **header})
    items = [json.dumps({"id": one, "prompt": f"{name} {one}?", "answer": "yes"}) for one in ids]
    path.write_text("\n".join([first, *items]) + "\n")
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Suite:
    mine, theirs = suite_file(tmp_path, "mine", "ab"), suite_file(tmp_path, "theirs", "abcd")
    return SuiteShelf().find(f"0.75*{mine}+0.25*{theirs}")


def test_the_same_ids_in_two_suites_stay_apart(mixed: Suite) -> None:
    assert [item.item_id for item in mixed.items][:3] == ["mine/a", "mine/b", "theirs/a"]
    assert mixed.weights == {"mine/own": 0.75, "theirs/own": 0.25}


def test_each_suite_counts_by_its_share(mixed: Suite) -> None:
    grader = SuiteGrader()
    scores = [
        grader.grade(item, Reply(text="yes" if item.item_id.startswith("mine") else "no"))
        for item in mixed.items
    ]
    assert summarize(mixed, scores).score == 0.75


def test_shares_within_a_suite_are_kept(tmp_path: Path) -> None:
    mine = suite_file(tmp_path, "mine", "a")
    mixed = SuiteShelf().find(f"0.5*standard+0.5*{mine}")
    assert mixed.weights is not None
    assert mixed.weights["standard/general"] == 0.125
    assert sum(mixed.weights.values()) == pytest.approx(1.0)


def test_other_shares_are_another_suite(tmp_path: Path, mixed: Suite) -> None:
    one, other = tmp_path / "mine.jsonl", tmp_path / "theirs.jsonl"
    assert SuiteShelf().find(f"0.5*{one}+0.5*{other}").sha256 != mixed.sha256


@pytest.mark.parametrize("shares", [(0.5, 0.6), (1.0, 0.0)])
def test_shares_that_do_not_sum_to_one_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(SpecError, match="make no mixture"):
        SuiteShelf().find(f"{shares[0]}*standard+{shares[1]}*mine.jsonl")


def test_a_suite_is_not_mixed_with_itself_nor_two_scorer_files(tmp_path: Path) -> None:
    one = suite_file(tmp_path, "one", "a", scorer_path="a.py")
    other = suite_file(tmp_path, "other", "a", scorer_path="b.py")
    for name in (f"0.5*{one}+0.5*{one}", f"0.5*{one}+0.5*{other}"):
        with pytest.raises(SpecError, match="cannot be mixed"):
            SuiteShelf().find(name)
