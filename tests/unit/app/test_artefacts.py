"""What goes from the cache, what stays, and that nothing in use is lost."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.app.artefacts import cache_limit_bytes, deployed, held, kept, make_room, prune
from paceline.app.places import Places
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import CandidateError, SpecError
from paceline.records.launch import Artefact
from paceline.testing.builders import a_trial
from paceline.testing.stores import BASELINE, a_run, a_version

SIZE = 1000


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Puts an artefact of 1,000 bytes into the cache, used at this second."""

    def put(name: str, *, used_at_s: float, tool: str = "tool") -> Path:
        folder = tmp_path / "artefacts" / tool / name
        folder.mkdir(parents=True)
        (folder / "model").write_bytes(bytes(SIZE))
        use = folder.with_name(f"{name}.use")
        use.touch()
        os.utime(use, (used_at_s, used_at_s))
        return folder

    return put


def artefact(folder: Path) -> Artefact:
    return Artefact(folder=str(folder), format="w8a8", sha256="0" * 64, size_bytes=SIZE)


def test_the_least_recently_used_goes_first_and_only_as_far_as_needed(
    put: Callable[..., Path], tmp_path: Path
) -> None:
    newest = put("a", used_at_s=30)
    oldest = put("b", used_at_s=10, tool="other")
    middle = put("c", used_at_s=20)
    assert [one.name for one in kept(tmp_path, {})] == ["b", "c", "a"]
    removed = prune(tmp_path, 2 * SIZE, {})
    assert [(one.tool, one.name, one.size_bytes) for one in removed] == [("other", "b", SIZE)]
    assert (newest.exists(), middle.exists(), oldest.exists()) == (True, True, False)
    assert prune(tmp_path, 2 * SIZE, {}) == ()


def test_what_is_deployed_stays_however_old(put: Callable[..., Path], tmp_path: Path) -> None:
    old, new = put("old", used_at_s=10), put("new", used_at_s=20)
    stays = {str(old): "version 3 of 'chat'"}
    assert [one.stays for one in kept(tmp_path, stays)] == ["version 3 of 'chat'", None]
    assert [one.name for one in prune(tmp_path, 0, stays)] == ["new"]
    assert old.exists()
    assert not new.exists()


def test_what_is_in_use_stays_until_it_is_let_go(put: Callable[..., Path], tmp_path: Path) -> None:
    folder = put("a", used_at_s=10)
    with held(lambda: artefact(folder), tmp_path) as used:
        assert used.folder == str(folder)
        assert [one.stays for one in kept(tmp_path, {})] == ["in use"]
        assert prune(tmp_path, 0, {}) == ()
    assert [one.name for one in prune(tmp_path, 0, {})] == ["a"]


def test_use_makes_it_recent(put: Callable[..., Path], tmp_path: Path) -> None:
    first = put("a", used_at_s=10)
    put("b", used_at_s=20)
    with held(lambda: artefact(first), tmp_path):
        pass
    assert [one.name for one in kept(tmp_path, {})] == ["b", "a"]


def test_what_was_never_used_is_as_old_as_its_making(
    put: Callable[..., Path], tmp_path: Path
) -> None:
    put("used", used_at_s=20)
    made = put("made", used_at_s=0)
    made.with_name("made.use").unlink()
    os.utime(made, (10, 10))
    for _ in range(2):  # looking is no use
        assert [(one.name, one.used_at_s) for one in kept(tmp_path, {})] == [
            ("made", 10.0),
            ("used", 20.0),
        ]


def test_what_was_removed_before_its_use_is_made_again(
    put: Callable[..., Path], tmp_path: Path
) -> None:
    folder = put("a", used_at_s=10)
    prune(tmp_path, 0, {})
    made: list[int] = []

    def make() -> Artefact:
        if made:
            folder.mkdir()
        made.append(1)
        return artefact(folder)

    with held(make, tmp_path):
        assert len(made) == 2


def test_it_gives_up_when_someone_removes_it_every_time(tmp_path: Path) -> None:
    (tmp_path / "artefacts" / "tool").mkdir(parents=True)
    never = artefact(tmp_path / "artefacts" / "tool" / "a")
    with pytest.raises(CandidateError), held(lambda: never, tmp_path):
        pytest.fail("it was never there")


def test_a_model_used_as_it_is_is_not_held(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    with held(lambda: artefact(model), tmp_path / "cache"):
        assert not model.with_name("model.use").exists()


def test_leftovers_of_a_killed_removal_go(put: Callable[..., Path], tmp_path: Path) -> None:
    trash = put(".trash-a", used_at_s=1)
    assert kept(tmp_path, {}) == ()
    prune(tmp_path, 10**9, {})
    assert not trash.exists()


def test_a_version_keeps_what_its_variant_was_measured_with(
    put: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    winner, loser = put("winner", used_at_s=1), put("loser", used_at_s=2)
    run = a_run()
    shop.store.create_run(run)
    with shop.store.write_run(run.run_id) as writer:
        for variant, folder in ((BASELINE, winner), (replace(BASELINE, format="int8"), loser)):
            trial = a_trial(variant)
            provenance = replace(trial.provenance, artefact=artefact(folder))
            writer.save_trial(replace(trial, provenance=provenance))
    shop.store.add_version(replace(a_version(run.run_id), variant=BASELINE))
    assert deployed(shop.store) == {str(winner): "version 1 of 'small'"}
    said: list[str] = []
    monkeypatch.setenv("PACELINE_CACHE_LIMIT", "0B")
    assert [one.name for one in make_room(shop, said.append)] == ["loser"]
    assert said == ["removed tool/loser (1.0 kB) from the cache"]
    shop.store.close()


def test_the_limit_has_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PACELINE_CACHE_LIMIT", raising=False)
    assert cache_limit_bytes() == 100 * 10**9
    monkeypatch.setenv("PACELINE_CACHE_LIMIT", "1.5 GiB")
    assert cache_limit_bytes() == 1.5 * 2**30
    assert cache_limit_bytes("2kB") == 2000
    with pytest.raises(SpecError):
        cache_limit_bytes("lots")
