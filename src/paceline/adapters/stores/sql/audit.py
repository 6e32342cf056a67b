"""The audit trail in SQL: rows are only ever added, in the transaction of the change they tell."""

from collections.abc import Iterable

from sqlalchemy import Connection, insert

from paceline.adapters.stores.sql.tables import EVENTS
from paceline.records.run import AuditEvent


def append(connection: Connection, events: Iterable[AuditEvent]) -> None:
    """Note them; they are there when the transaction is."""
    rows = [
        {
            "at_utc": event.at_utc,
            "kind": event.kind,
            "detail": event.detail,
            "run_id": event.run_id,
            "pipeline": event.pipeline,
            "actor": event.actor,
            "subject": event.subject,
        }
        for event in events
    ]
    if rows:
        connection.execute(insert(EVENTS), rows)
