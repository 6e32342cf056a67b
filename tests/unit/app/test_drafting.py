"""A draft speaks of the same tokens or is refused with both sizes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from paceline.adapters.engines.llamacpp import LlamaCpp
from paceline.adapters.engines.transformers import Transformers
from paceline.app.drafting import find_draft, speculations_of
from paceline.errors import Code, SpecError
from paceline.ports.hub import Hub
from paceline.records.model import FileHash, Model
from paceline.testing.builders import a_model, a_request

LARGE = {"a": 0, "b": 1, "c": 2}


class Folders:
    """A hub that knows folders; the parts of `Hub` that are not asked here are missing."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, name: str, vocabulary: dict[str, int] | None, **more: object) -> Model:
        folder = self._root / name
        folder.mkdir()
        document = {"model": {"vocab": vocabulary}, "added_tokens": [], **more}
        (folder / "tokenizer.json").write_text(json.dumps(document))
        return self.find(name)

    def find(self, name: str) -> Model:
        files = (FileHash(path="a", sha256=name, size_bytes=1),)
        return replace(a_model(folder=str(self._root / name)), name=name, files=files)


def drafted(folders: Folders, model: Model, name: str | None) -> Model | None:
    return find_draft(replace(a_request(), draft=name), model, cast("Hub", folders))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_without_a_name_there_is_no_draft(folders: Folders) -> None:
    assert drafted(folders, a_model(), None) is None


def test_the_same_tokens_are_taken_added_ones_included(folders: Folders) -> None:
    model = folders.keep("large", LARGE)
    folders.keep("small", {"a": 0, "b": 1}, added_tokens=[{"content": "c", "id": 2}])
    found = drafted(folders, model, "small")
    assert found is not None
    assert found.name == "small"


def test_another_size_is_refused_with_both(folders: Folders) -> None:
    model = folders.keep("large", LARGE)
    folders.keep("small", {"a": 0})
    with pytest.raises(SpecError, match="1 tokens against 3") as error:
        drafted(folders, model, "small")
    assert error.value.code is Code.BAD_MODEL


def test_other_numbers_are_refused_with_the_first_of_them(folders: Folders) -> None:
    model = folders.keep("large", LARGE)
    folders.keep("small", {"a": 0, "b": 2, "c": 1})
    with pytest.raises(SpecError, match="2 have another number, 'b', 'c' first"):
        drafted(folders, model, "small")


def test_pieces_may_be_listed_with_scores(folders: Folders) -> None:
    model = folders.keep("large", LARGE)
    folders.keep("small", None)
    listed = {"model": {"vocab": [["a", -1.0], ["b", -2.0], ["c", -3.0]]}}
    (Path(folders.find("small").folder) / "tokenizer.json").write_text(json.dumps(listed))
    assert drafted(folders, model, "small") is not None


def test_the_model_cannot_guess_for_itself(folders: Folders) -> None:
    model = folders.keep("large", LARGE)
    with pytest.raises(SpecError, match="itself"):
        drafted(folders, model, "large")


@pytest.mark.parametrize("text", ["{", "{}", '{"model": {"vocab": 3}}'])
def test_an_unreadable_vocabulary_is_refused(folders: Folders, text: str) -> None:
    model = folders.keep("large", LARGE)
    small = folders.keep("small", LARGE)
    (Path(small.folder) / "tokenizer.json").write_text(text)
    with pytest.raises(SpecError, match="cannot be read"):
        drafted(folders, model, "small")


def test_only_engines_that_can_draft_are_offered_it() -> None:
    draft = a_model()
    assert speculations_of(Transformers(), draft) == ()
    assert speculations_of(LlamaCpp(), None) == ("ngram",)
    assert speculations_of(LlamaCpp(), draft) == ("ngram", f"draft small-{draft.sha256[:6]}")
