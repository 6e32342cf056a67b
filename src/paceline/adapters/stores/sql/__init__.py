"""The store in a SQL database: SQLite in WAL mode, one file, no server."""

from paceline.adapters.stores.sql.store import SqlStore

__all__ = ["SqlStore"]
