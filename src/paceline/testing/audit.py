"""What every store must do with its audit trail."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from paceline.errors import SpecError
from paceline.ports.store import StaleWrite, Store
from paceline.records.access import Workspace
from paceline.records.audit import AuditKind
from paceline.records.deployment import LogKind, LogLine
from paceline.records.run import AuditEvent
from paceline.testing.access import a_key
from paceline.testing.deployments import an_endpoint
from paceline.testing.stores import a_version

NOON = "2026-01-01T12:00:00+00:00"
LATER = "2026-01-02T12:00:00+00:00"


def an_event(subject: str = "demo", *, at_utc: str = NOON) -> AuditEvent:
    """With everything that can be set."""
    return AuditEvent(
        at_utc=at_utc,
        kind=AuditKind.DEPLOYED.value,
        detail="version 1 is wanted",
        run_id="r1",
        pipeline="small",
        actor="key-0123456789",
        subject=subject,
    )


class AuditContract:
    """Subclass it and give a fixture `store` that yields an empty store."""

    def test_an_event_comes_back_as_it_was_noted(self, store: Store) -> None:
        store.note(an_event())
        (kept,) = store.events()
        assert replace(kept, number=None) == an_event()

    def test_the_trail_is_read_from_a_time_on(self, store: Store) -> None:
        store.note(an_event("a"))
        store.note(an_event("b", at_utc=LATER))
        assert [event.subject for event in store.events(since_utc=LATER)] == ["b"]
        assert [event.subject for event in store.events(since_utc=NOON)] == ["a", "b"]

    def test_a_rollback_says_who(self, store: Store) -> None:
        for run_id in ("r1", "r2"):
            store.add_version(a_version(run_id))
        store.rollback("small", 1, at_utc=NOON, actor="key-1")
        store.rollback("small", 2, at_utc=NOON)
        assert [event.actor for event in store.events()] == ["key-1", "local"]

    def test_every_change_brings_its_notes(self, store: Store) -> None:
        kept, access = store.deployments, store.access
        line = LogLine(endpoint="demo", at_utc=NOON, kind=LogKind.CANARY, because="promoted")
        changes: dict[str, Callable[[list[AuditEvent]], object]] = {
            "put": lambda notes: kept.put_endpoint(an_endpoint(), notes=notes),
            "log": lambda notes: kept.log(line, notes=notes),
            "remove": lambda notes: kept.remove_endpoint("demo", notes=notes),
            "add": lambda notes: access.add_key(a_key(), notes=notes),
            "end": lambda notes: access.end_key("k1", revoked_at_utc=NOON, notes=notes),
            "limit": lambda notes: access.put_workspace(Workspace(name="a"), notes=notes),
        }
        for name, change in changes.items():
            change([an_event(name), an_event(name)])
        noted = [event.subject for event in store.events()]
        assert noted == [name for name in changes for _ in range(2)]

    def test_a_change_that_is_refused_leaves_no_note(self, store: Store) -> None:
        kept, access = store.deployments, store.access
        notes = [an_event()]
        access.add_key(a_key())
        refused: list[Callable[[], object]] = [
            lambda: kept.put_endpoint(an_endpoint(), expected=7, notes=notes),
            lambda: kept.remove_endpoint("demo", notes=notes),
            lambda: access.add_key(a_key(), notes=notes),
            lambda: access.end_key("nobody", revoked_at_utc=NOON, notes=notes),
        ]
        for change in refused:
            with pytest.raises((StaleWrite, SpecError)):
                change()
        assert store.events() == ()
