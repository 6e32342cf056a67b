import sys
from pathlib import Path

import pytest

from paceline.adapters.hub.local.lookup import locate
from paceline.errors import Code, PacelineError, SetupError, SpecError

PACKAGE = """
from pathlib import Path


def shipped():
    return Model()


class Model:
    name = "reference"
    model_path = Path(__file__).parent / "weights"
    suite_path = Path(__file__).parent / "suite.jsonl"
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships `reference`; its folder."""
    site = tmp_path / "site"
    info = site / "paceline_shipped-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paceline-shipped\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[paceline.models]\nworld = paceline_shipped:shipped\nbroken = paceline_shipped:gone\n"
    )
    (site / "paceline_shipped.py").write_text(PACKAGE)
    (site / "weights").mkdir()
    (site / "weights/config.json").touch()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "paceline_shipped", raising=False)
    return site


def refusal(name: str | Path) -> PacelineError:
    with pytest.raises(PacelineError) as caught:
        locate(str(name))
    return caught.value


def test_a_folder_is_called_by_its_last_part(tmp_path: Path) -> None:
    folder = tmp_path / "acme-chat"
    folder.mkdir()
    (folder / "config.json").touch()
    place = locate(f"{tmp_path}/acme-chat/")
    assert (place.name, place.folder, place.suite) == ("acme-chat", folder, None)


def test_an_installed_model_brings_its_suite(installed: Path) -> None:
    place = locate("world")
    assert place.folder == installed / "weights"
    assert place.suite == installed / "suite.jsonl"


def test_a_bare_word_means_the_installed_model_and_a_path_the_folder(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world").mkdir()
    (tmp_path / "world/config.json").touch()
    assert locate("world").folder == installed / "weights"
    assert locate("./world").folder == tmp_path / "world"


def test_a_package_that_does_not_import_is_reported(installed: Path) -> None:
    error = refusal("broken")
    assert isinstance(error, SetupError)
    assert error.code is Code.PLUGIN_BROKEN
    assert "paceline_shipped:gone" in error.why


def test_a_hub_id_says_that_no_hub_was_asked(installed: Path) -> None:
    error = refusal("Qwen/Qwen3-0.6B")
    assert "no hub was asked" in error.why
    assert "hf download Qwen/Qwen3-0.6B" in error.fix


def test_a_near_name_is_offered(installed: Path) -> None:
    assert refusal("wordl").fix == "did you mean 'world'?"


def test_the_reference_model_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paceline.adapters.hub.local.lookup.entry_points", lambda **_: ())
    assert "pip install" in refusal("reference").fix


@pytest.mark.parametrize("name", ["", "./nowhere", "/does/not/exist"])
def test_what_is_nowhere_is_unknown(name: str) -> None:
    error = refusal(name)
    assert isinstance(error, SpecError)
    assert error.code is Code.UNKNOWN_NAME


def test_a_file_points_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    error = refusal(tmp_path / "model.safetensors")
    assert repr(str(tmp_path)) in error.fix


def test_a_pipeline_of_diffusers_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").touch()
    assert locate(str(tmp_path)).folder == tmp_path


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (None, "empty"),
        ("snapshots", "download cache"),
        ("notes.txt", "no config.json or model_index.json among its 1 entries ('notes.txt'…)"),
    ],
)
def test_a_folder_that_is_no_model_says_what_it_is(
    tmp_path: Path, entry: str | None, why: str
) -> None:
    if entry is not None:
        (tmp_path / entry).mkdir()
    error = refusal(tmp_path)
    assert error.code is Code.BAD_MODEL
    assert why in error.why
