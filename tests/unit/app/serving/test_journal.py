"""Writes while the store is away."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.adapters.stores.memory.deployments import MemoryDeployments
from paceline.app.serving.journal import TRY_AGAIN_S, Journal
from paceline.clock import ManualClock
from paceline.errors import Code, SetupError
from paceline.records.deployment import Endpoint, LogKind, LogLine
from paceline.records.run import AuditEvent
from paceline.testing.deployments import an_endpoint


class Flaky(MemoryDeployments):
    """A store that can be away; counts how often it was tried."""

    away = False
    tried = 0

    def log(self, line: LogLine, *, notes: Sequence[AuditEvent] = ()) -> None:
        self._check()
        super().log(line, notes=notes)

    def endpoints(self) -> tuple[Endpoint, ...]:
        self._check()
        return super().endpoints()

    def _check(self) -> None:
        self.tried += 1
        if self.away:
            raise SetupError(Code.STORE_UNUSABLE, "locked", why="for 10 s", fix="")


@pytest.fixture
def kept() -> Flaky:
    kept = Flaky(MemoryStore().note)
    kept.put_endpoint(an_endpoint())
    return kept


def test_it_knows_whether_the_store_is_away(kept: Flaky) -> None:
    clock = ManualClock()
    journal = Journal(kept, clock)
    journal.read()
    assert not journal.away
    kept.away = True
    journal.read()
    assert journal.away
    kept.away = False
    clock.sleep(TRY_AGAIN_S)
    journal.read()
    assert not journal.away, "with nothing to write it is back as soon as it is read"


def test_what_could_not_be_written_is_written_later_in_order(kept: Flaky) -> None:
    clock = ManualClock()
    journal = Journal(kept, clock)
    kept.away = True
    for text in ("first", "second"):
        journal.log("demo", LogKind.SCALE, text)
    kept.away = False
    journal.flush()
    assert kept.log_of("demo") == (), "not before the pause is over"
    clock.sleep(TRY_AGAIN_S)
    journal.log("demo", LogKind.SCALE, "third")
    assert [line.because for line in kept.log_of("demo")] == ["first", "second", "third"]


def test_a_store_that_is_away_is_not_tried_for_every_write(kept: Flaky) -> None:
    journal = Journal(kept, ManualClock())
    kept.away = True
    for _ in range(20):
        journal.log("demo", LogKind.SCALE, "again")
    assert kept.tried == 1


def test_what_was_wanted_last_stays_wanted_while_the_store_is_away(kept: Flaky) -> None:
    clock = ManualClock()
    journal = Journal(kept, clock)
    journal.read()
    before = journal.wanted()
    kept.away = True
    clock.sleep(1.0)
    journal.read()
    assert journal.wanted() == before != ()


def test_an_endpoint_that_the_user_changed_meanwhile_is_left_as_it_is(kept: Flaky) -> None:
    journal = Journal(kept, ManualClock())
    journal.read()
    (seen,) = journal.wanted()
    changed = kept.put_endpoint(replace(seen, version=7))
    journal.replace_endpoint(replace(seen, version=1))
    assert kept.endpoint("demo") == changed
    journal.replace_endpoint(replace(changed, version=8))
    assert kept.endpoint("demo").version == 8
