import json
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from paceline.adapters.quality.suites import shelf
from paceline.adapters.quality.suites.shelf import SuiteShelf
from paceline.errors import PacelineError, SetupError, SpecError

ITEM = {"id": "a", "prompt": "?", "answer": "x"}


@dataclass
class Installed:
    suite_path: object


def offer(monkeypatch: pytest.MonkeyPatch, suite_path: object) -> None:
    """Make one model package known that ships `suite_path`."""

    class Point(EntryPoint):
        def load(self) -> object:
            return lambda: Installed(suite_path)

    point = Point(name="tiny", value="x:y", group=shelf.MODELS_GROUP)

    def known(*, group: str, name: str | None = None) -> list[EntryPoint]:
        return [point] if group == shelf.MODELS_GROUP and name in (None, "tiny") else []

    monkeypatch.setattr(shelf, "entry_points", known)


def suite_file(folder: Path) -> Path:
    path = folder / "own.jsonl"
    path.write_text(json.dumps(ITEM) + "\n")
    return path


def test_knows_the_standard_suite_and_the_models_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offer(monkeypatch, suite_file(tmp_path))
    assert SuiteShelf().names() == ("standard", "pictures", "tiny")
    assert SuiteShelf().find("tiny").items[0].item_id == "a"


def test_reads_a_file_by_its_path(tmp_path: Path) -> None:
    assert SuiteShelf().find(str(suite_file(tmp_path))).name == "own"


@pytest.mark.parametrize("name", ["standrad", "own.txt", ""])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(SpecError, match=r"unknown-name(.|\n)*--suite standard"):
        SuiteShelf().find(name)


@pytest.mark.parametrize("suite_path", [None, "text"])
def test_a_package_without_a_suite_is_told(
    monkeypatch: pytest.MonkeyPatch, suite_path: object
) -> None:
    offer(monkeypatch, suite_path)
    with pytest.raises(PacelineError) as caught:
        SuiteShelf().find("tiny")
    assert isinstance(caught.value, SetupError)
    assert repr(suite_path) in caught.value.why
