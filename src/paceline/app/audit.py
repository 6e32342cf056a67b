"""Notes for the audit trail as changes make them, and the trail as people read it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from paceline.app.wiring import Workshop
from paceline.clock import Clock
from paceline.errors import Code, SpecError
from paceline.records.audit import AuditKind
from paceline.records.run import AuditEvent
from paceline.records.serial import Json, dump
from paceline.units import parse_duration_s

NOTHING: Final = "none"
LONGEST_AGO_S: Final = 36_500 * 86_400.0
"""Before anything; what is longer ago has no date."""


def a_note(
    kind: AuditKind,
    detail: str,
    *,
    actor: str,
    subject: str,
    clock: Clock,
    pipeline: str | None = None,
) -> AuditEvent:
    """What somebody does now; to be stored together with it."""
    return AuditEvent(
        at_utc=clock.utc_now().isoformat(timespec="seconds"),
        kind=kind.value,
        detail=detail,
        pipeline=pipeline,
        actor=actor,
        subject=subject,
    )


def differences(before: object, after: object) -> str:
    """Fields of two records of one kind that differ: `max_replicas 3 -> 5, mode flex -> active`."""
    return ", ".join(f"{name} {old} -> {new}" for name, old, new in changed_fields(before, after))


def changed_fields(before: object, after: object) -> tuple[tuple[str, str, str], ...]:
    """Name, value before and after of each field that differs; `none` where there is nothing."""
    old, new = dict(_leaves(dump(before))), dict(_leaves(dump(after)))
    names = dict.fromkeys((*old, *new))
    changed = (name for name in names if old.get(name) != new.get(name))
    return tuple((name, _word(old.get(name)), _word(new.get(name))) for name in changed)


def audit_trail(
    shop: Workshop, *, since_utc: str = "", kind: str | None = None, actor: str | None = None
) -> tuple[AuditEvent, ...]:
    """What was done, oldest first."""
    return tuple(
        event
        for event in shop.store.events(since_utc=since_utc)
        if kind in (None, event.kind) and actor in (None, event.actor)
    )


def read_since(text: str, clock: Clock) -> str:
    """`30d` ago, or a date or time as ISO 8601 has it (UTC unless it says otherwise).

    Raises SpecError.
    """
    ago_s = parse_duration_s(text)
    if ago_s is not None:
        ago = timedelta(seconds=min(ago_s, LONGEST_AGO_S))
        return (clock.utc_now() - ago).isoformat(timespec="seconds")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError(
            Code.BAD_OPTION,
            f"--since {text!r} is no time",
            why="it is neither a duration with its unit nor a date",
            fix="--since 7d, or --since 2026-11-01",
        ) from None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="seconds")


def audit_document(event: AuditEvent) -> dict[str, object]:
    """One event as JSON."""
    return {
        "number": event.number,
        "at": event.at_utc,
        "actor": event.actor,
        "kind": event.kind,
        "subject": event.subject or event.pipeline or event.run_id,
        "pipeline": event.pipeline,
        "run_id": event.run_id,
        "detail": event.detail,
    }


def _leaves(record: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield name, value


def _word(value: Json) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or NOTHING
    if isinstance(value, float):
        return f"{value:g}"
    return NOTHING if value is None else str(value)
