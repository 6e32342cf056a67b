"""Exports are made once, whole or not at all; the exporter here is a shell script."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.engines.openvino.export import find_or_make
from paceline.errors import CandidateError, Code, SetupError
from paceline.records.launch import Artefact, Environment
from paceline.records.model import FileHash, Model
from paceline.testing.builders import a_model

EXPORTS = 'for last; do :; done; mkdir "$last"; echo "$@" > "$last/openvino_model.xml"'


class Kitchen:
    """An exporter program, a cache, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.program = folder / "python"
        self.said: list[str] = []
        self.lock: tuple[str, ...] = ("nncf==3.4.0", "numpy==2.0.0")
        self.exporter(EXPORTS)

    def exporter(self, script: str) -> None:
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)

    def make(self, format_: str = "int8", model: Model | None = None) -> Artefact:
        environment = Environment(
            name="openvino",
            python=str(self.program),
            bin_dir="/usr/bin:/bin",
            lock=self.lock,
            lock_sha256="",
        )
        return find_or_make(
            model or a_model(),
            format_,
            environment=environment,
            cache=self.cache,
            say=self.said.append,
        )

    def left(self) -> list[str]:
        return sorted(path.name for path in (self.cache / "artefacts/openvino").iterdir())


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def test_makes_once_and_then_finds(kitchen: Kitchen) -> None:
    first, second = kitchen.make(), kitchen.make()
    assert first.prepared_s is not None
    assert second.prepared_s is None
    assert (first.folder, first.sha256, first.size_bytes) == (
        second.folder,
        second.sha256,
        second.size_bytes,
    )
    assert kitchen.said == ["exporting small to int8"]


def test_the_recipe_and_the_exporters_versions_are_kept(kitchen: Kitchen) -> None:
    artefact = kitchen.make("int4")
    assert artefact.recipe is not None
    assert "--weight-format int4 --ratio 1.0 --group-size 128" in artefact.recipe
    assert "nncf==3.4.0" in artefact.recipe
    assert "numpy" not in artefact.recipe
    receipt = json.loads((Path(artefact.folder) / "paceline.json").read_text())
    assert receipt["recipe"] == artefact.recipe
    given = (Path(artefact.folder) / "openvino_model.xml").read_text()
    assert "--weight-format int4" in given
    assert "--model /models/small" in given


def test_another_model_format_or_exporter_makes_another(kitchen: Kitchen) -> None:
    other = replace(a_model(), files=(FileHash(path="a", sha256="b", size_bytes=1),))
    made = [kitchen.make(), kitchen.make("int4"), kitchen.make(model=other)]
    kitchen.lock = ("nncf==3.5.0",)
    made.append(kitchen.make())
    assert len({artefact.folder for artefact in made}) == 4
    assert all(artefact.prepared_s is not None for artefact in made)


def test_a_refused_export_leaves_nothing_and_tells_the_last_words(kitchen: Kitchen) -> None:
    kitchen.exporter('for last; do :; done; mkdir "$last"; echo first; echo no such op; exit 1')
    with pytest.raises(CandidateError, match="no such op") as error:
        kitchen.make()
    assert error.value.code is Code.ENGINE_FAILED
    assert [name for name in kitchen.left() if not name.endswith(".lock")] == []


def test_a_full_disk_is_the_operators_to_mend(kitchen: Kitchen) -> None:
    kitchen.exporter("echo 'OSError: [Errno 28] No space left on device'; exit 1")
    with pytest.raises(SetupError) as error:
        kitchen.make()
    assert error.value.code is Code.DISK_FULL


def test_an_interrupted_export_is_made_again(kitchen: Kitchen) -> None:
    folder = Path(kitchen.make().folder)
    (folder / "paceline.json").unlink()
    again = kitchen.make()
    assert again.prepared_s is not None
    assert Path(again.folder) == folder
    assert (folder / "paceline.json").is_file()


def test_what_a_killed_export_left_is_cleared_away(kitchen: Kitchen) -> None:
    folder = Path(kitchen.make().folder)
    (folder / "paceline.json").unlink()
    (folder.parent / f".{folder.name}-killed").mkdir()
    kitchen.make()
    assert kitchen.left() == [folder.name, f"{folder.name}.lock"]


def test_an_unwritable_cache_is_told(kitchen: Kitchen) -> None:
    kitchen.cache.write_text("a file where a folder belongs")
    with pytest.raises(SetupError) as error:
        kitchen.make()
    assert error.value.code is Code.CACHE_UNWRITABLE
