"""A store that hangs holds up only the thread that talks to it."""

import threading
from collections.abc import Iterator

import pytest

from paceline.app.serving import scribe as module
from paceline.app.serving.scribe import Scribe

WITHIN_S = 60.0


class Store:
    """Writes when it may."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.writes = 0
        self.reads = 0
        self.told = threading.Event()

    def write(self) -> None:
        assert self.open.wait(WITHIN_S)
        self.writes += 1

    def read(self) -> None:
        self.reads += 1


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def scribe(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scribe]:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    monkeypatch.setattr(module, "READ_EVERY_S", 0.01)
    one = Scribe(write=store.write, read=store.read, tell=store.told.set)
    yield one
    store.open.set()
    assert one.stop()


def test_before_it_runs_it_writes_at_once(store: Store, scribe: Scribe) -> None:
    scribe.hurry()
    assert (store.writes, store.reads) == (1, 0)


def test_it_reads_before_it_goes_on_and_tells_of_every_later_time(
    store: Store, scribe: Scribe
) -> None:
    scribe.start()
    assert store.reads >= 1
    assert store.told.wait(WITHIN_S)
    assert store.reads >= 2


def test_what_is_hurried_is_written_when_it_returns(
    store: Store, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", WITHIN_S)
    scribe.start()
    for _ in range(50):
        before = store.writes
        scribe.hurry()
        assert store.writes > before


def test_a_store_that_hangs_is_waited_for_once(
    store: Store, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe.start()
    store.open.clear()
    scribe.hurry()
    monkeypatch.setattr(module, "PATIENCE_S", WITHIN_S)
    for _ in range(100):
        scribe.hurry()  # returns at once, or this takes minutes
    writes = store.writes
    store.open.set()
    store.told.clear()
    assert store.told.wait(WITHIN_S)
    assert store.writes > writes


def test_it_writes_what_is_left_at_its_end(store: Store, scribe: Scribe) -> None:
    scribe.start()
    before = store.writes
    assert scribe.stop()
    assert store.writes > before
