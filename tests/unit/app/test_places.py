"""Where things are kept, and who else may look."""

import stat
from pathlib import Path

import pytest

from paceline.app.places import find_places


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_new_data_folder_is_its_owners(data: Path) -> None:
    assert find_places().data == data
    assert mode(data) == 0o700


def test_one_of_before_is_closed_to_others(data: Path) -> None:
    data.mkdir()
    data.chmod(0o755)
    find_places()
    assert mode(data) == 0o700


def test_a_folder_that_many_write_to_is_left_as_it_is(data: Path) -> None:
    data.mkdir()
    data.chmod(0o1777)
    find_places()
    assert mode(data) == 0o1777
