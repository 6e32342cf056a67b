import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from paceline.deploy import compiled


@pytest.fixture(autouse=True)
def finders() -> Iterator[None]:
    before = sys.meta_path.copy()
    yield
    sys.meta_path[:] = before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the compiled modules of today's sources would be."""
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    monkeypatch.delenv(compiled.INTERPRETED, raising=False)
    return tmp_path / compiled.digest(compiled.sources())


def a_module(folder: Path, *name: str) -> Path:
    file = folder.joinpath(*name).with_suffix(EXTENSION_SUFFIXES[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return file


def test_the_data_plane_is_compiled_and_not_what_supervisors_import() -> None:
    names = {file.stem for file in compiled.sources()}
    assert names >= {"exchange", "connection", "sockets", "routing"}
    assert names.isdisjoint({"__init__", "__main__", "control", "spool_reader"})


def test_modules_of_these_sources_are_found_by_their_names(folder: Path) -> None:
    made = a_module(folder, "paceline", "deploy", "gateway", "exchange")
    assert compiled.use_compiled()
    finder = sys.meta_path[0]
    spec = finder.find_spec("paceline.deploy.gateway.exchange", None)
    assert spec is not None and spec.origin == str(made)
    assert finder.find_spec("paceline.deploy.gateway.control", None) is None


def test_those_of_other_sources_are_not_used(folder: Path) -> None:
    a_module(folder.with_name("0" * 16), "paceline", "deploy", "gateway", "exchange")
    before = sys.meta_path.copy()
    assert not compiled.use_compiled() and sys.meta_path == before


def test_nor_are_they_where_nobody_wants_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_module(folder, "paceline", "deploy", "gateway", "exchange")
    monkeypatch.setenv(compiled.INTERPRETED, "1")
    assert not compiled.use_compiled()


def test_any_edit_and_any_renaming_makes_other_sources(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("x = 1\n")
    other.write_text("x = 1\n")
    first = compiled.digest([one])
    assert first == compiled.digest([one]) != compiled.digest([other])
    one.write_text("x = 2\n")
    assert compiled.digest([one]) != first
