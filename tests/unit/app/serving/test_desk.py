"""What is known of versions, while the store is slow, away and back."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.app.serving.stage import facts

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.places import Places
from paceline.app.serving import desk as module
from paceline.app.serving.desk import Desk
from paceline.app.serving.facts import VersionFacts
from paceline.app.serving.journal import Journal
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import Code, PacelineError, SetupError, SpecError


class Reading:
    """What the store says of versions, and how often it was asked."""

    def __init__(self) -> None:
        self.error: PacelineError | None = None
        self.asked: list[tuple[str, int]] = []

    def learn(self, pipeline: str, number: int, shop: Workshop) -> VersionFacts:
        del shop
        self.asked.append((pipeline, number))
        if self.error is not None:
            raise self.error
        return facts(number)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    reading = Reading()
    monkeypatch.setattr(module, "learn", reading.learn)
    return reading


@pytest.fixture
def desk(tmp_path: Path, reading: Reading) -> Desk:
    del reading
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    store = MemoryStore()
    unused: dict[str, Any] = dict.fromkeys(("environments", "load", "evaluator"))
    vars(shop).update(unused, store=store, executor=SimpleNamespace(inventory=lambda: ()))
    journal = Journal(store.deployments, shop.clock)
    return Desk(shop, journal, spool=tmp_path, tell=lambda _: None)


def test_a_decision_never_reads_the_store(desk: Desk, reading: Reading) -> None:
    assert desk.facts("demo", 1) is None
    assert reading.asked == []
    desk.learn(())  # in the other thread
    found = desk.facts("demo", 1)
    assert found is not None and found.version.number == 1
    desk.learn([("demo", 1)])
    assert reading.asked == [("demo", 1)], "what is known is not read again"


def test_what_will_be_needed_is_read_before_it_is_asked_for(desk: Desk) -> None:
    desk.learn([("demo", 1), ("demo", 2), ("demo", 1)])
    assert desk.facts("demo", 2) is not None


@pytest.mark.parametrize("kind", [SetupError, SpecError])
def test_what_cannot_be_read_is_told_once_and_tried_again(
    desk: Desk, reading: Reading, kind: type[PacelineError]
) -> None:
    reading.error = kind(Code.STORE_UNUSABLE, "no database", why="locked", fix="wait")
    desk.learn([("demo", 1), ("other", 1)])
    assert reading.asked == [("demo", 1), ("other", 1)], "one does not keep the other from it"
    with pytest.raises(kind):
        desk.facts("demo", 1)
    assert desk.facts("demo", 1) is None
    reading.error = None
    desk.learn(())
    assert desk.facts("demo", 1) is not None


def test_starts_that_were_seen_count(desk: Desk) -> None:
    desk.learn([("demo", 1)])
    before = desk.facts("demo", 1)
    desk.started("demo", 1, 77.0)
    after = desk.facts("demo", 1)
    assert before is not None and after is not None
    assert after.replica.cold_start_s == 77.0 != before.replica.cold_start_s
