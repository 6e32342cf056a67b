"""What a run takes from a hub unasked: only what is tagged and open, and what is really there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.checkpoints import give_checkpoint
from paceline.app.hubs import AnyHub
from paceline.app.lookup import Lookup
from paceline.app.places import Places
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import CandidateError, CapacityError, Code
from paceline.records.checkpoint import Candidate, Fetched, Gate, Relatives
from paceline.records.model import Model
from paceline.testing.builders import a_model
from paceline.testing.hubs import write_model

MODEL = replace(a_model(), source="acme/chat@1")
GOOD = Candidate(
    repo="labs/chat-awq",
    revision="2",
    format="awq-4",
    method="awq",
    files=(),
    licence=None,
    gate=Gate.OPEN,
    downloads=None,
    stated=True,
)


class Town:
    """A source with one model and these relatives; counts how often it is asked for them."""

    def __init__(self, folder: Path, *candidates: Candidate) -> None:
        self.folder = folder
        self.candidates = candidates
        self.asked = 0
        self.busy = False

    def covers(self, name: str) -> bool:
        return "/" in name

    def fetch(self, name: str, *, weights: bool) -> Fetched:
        assert weights
        return Fetched(name="c", source=name, folder=str(self.folder), files=())

    def relatives(self, name: str, *, limit: int) -> Relatives:
        assert limit
        self.asked += 1
        if self.busy:
            raise CapacityError(Code.RATE_LIMITED, "busy", why="429", fix="wait")
        return Relatives(
            repo=name,
            revision="1",
            licence=None,
            gate=Gate.OPEN,
            parameters=None,
            candidates=self.candidates,
            misfits=(),
        )


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Town], Lookup]:
    def look(town: Town) -> Lookup:
        hub = AnyHub(tmp_path / "cache")
        monkeypatch.setattr(hub, "sources", lambda: iter([town]))
        return Lookup(hub)

    return look


def best(lookup: Lookup, format_: str = "awq-4", model: Model = MODEL) -> Candidate | None:
    return lookup.best(model, format_)


def test_the_first_trusted_one_of_a_format_is_taken_and_the_hub_asked_once(
    look: Callable[[Town], Lookup], tmp_path: Path
) -> None:
    named = replace(GOOD, repo="a/named-like-it", stated=False)
    gated = replace(GOOD, repo="a/gated", gate=Gate.MANUAL)
    town = Town(tmp_path, named, gated, GOOD, replace(GOOD, repo="z/later"))
    lookup = look(town)
    assert best(lookup) == best(lookup) == GOOD
    assert best(lookup, "w8a8") is None
    assert town.asked == 1


def test_a_model_from_elsewhere_and_a_hub_that_does_not_answer_have_none(
    look: Callable[[Town], Lookup], tmp_path: Path
) -> None:
    town = Town(tmp_path, GOOD)
    assert best(look(town), model=a_model()) is None
    assert town.asked == 0
    town.busy = True
    assert best(look(town)) is None


def test_it_is_fetched_at_its_commit_and_checked(
    look: Callable[[Town], Lookup], tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "snapshot")
    said: list[str] = []
    artefact = look(Town(folder, GOOD)).fetch(GOOD, say=said.append)
    assert (artefact.folder, artefact.format) == (str(folder), "awq-4")
    assert artefact.recipe == "fetched labs/chat-awq@2 (awq)"
    assert "labs/chat-awq@2" in said[0]


def test_what_is_broken_there_ends_one_variant_not_the_run(
    look: Callable[[Town], Lookup], tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "snapshot")
    (folder / "model.safetensors").write_bytes(b"short")
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    shop.__dict__["lookup"] = look(Town(folder, GOOD))  # what `cached_property` would have made
    with pytest.raises(CandidateError) as caught:
        give_checkpoint(MODEL, "awq-4", shop, say=lambda _: None)
    assert caught.value.code is Code.BAD_MODEL
