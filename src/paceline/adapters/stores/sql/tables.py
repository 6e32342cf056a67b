"""The tables as they are now. How a database gets there is in `migrations/`.

Records are kept whole, as the text that `records.serial.pack` makes; the other columns are what
queries need. Text rather than the database's JSON type, because PostgreSQL's would turn `1.0` into
a number that no longer says whether it was an integer.

Times are ISO 8601 in UTC, as the records have them, and are for people: order comes from `number`.
"""

from typing import Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

RUNS: Final = Table(
    "runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("pipeline", Text, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("record", Text, nullable=False),  # without what the columns below hold
    Column("plan", Text),
    Column("result", Text),
    Column("ended_at_utc", Text),
    Column("detail", Text),
    Column("workspace", Text, nullable=False, server_default="default", index=True),
)

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("run_id", ForeignKey("runs.run_id"), primary_key=True),
    Column("token", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("taken_at_utc", Text, nullable=False),
)

TRANSITIONS: Final = Table(
    "trial_transitions",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("trial_id", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("cause", Text),
    Column("at_utc", Text, nullable=False),
    Index(None, "run_id", "trial_id"),
)

TRIALS: Final = Table(
    "trials",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("trial_id", Text, nullable=False),
    Column("variant_id", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("run_id", "trial_id"),
)

PIPELINES: Final = Table(
    "pipelines",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("current", Integer, nullable=False),
)

VERSIONS: Final = Table(
    "versions",
    METADATA,
    Column("pipeline", ForeignKey("pipelines.name"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Text, nullable=False),
    Column("receipt_sha256", Text, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("pipeline", "run_id"),
)

FAILURES: Final = Table(
    "failures",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("model_sha256", Text, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("variant_id", Text, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("model_sha256", "engine_version", "variant_id"),
)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("at_utc", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("run_id", Text, index=True),
    Column("pipeline", Text, index=True),
    Column("actor", Text),
    Column("subject", Text),
)
"""Triggers refuse to change or delete a row: migrations/versions/0005_audit.py."""

ENDPOINTS: Final = Table(
    "endpoints",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("revision", Integer, nullable=False),  # goes on rising when a removed name comes back
    Column("record", Text),  # NULL once it was removed
    Column("status", Text),
)

POLICIES: Final = Table(
    "policies",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("record", Text, nullable=False),
    Index(None, "pipeline", "version", "endpoint"),
)

REPLICAS: Final = Table(
    "replicas",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("replica_id", Text, nullable=False),
    Column("endpoint", Text, nullable=False, index=True),
    Column("pipeline", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("replica_id"),
    Index(None, "pipeline", "version"),
)

REPLICA_STEPS: Final = Table(
    "replica_steps",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("replica_id", ForeignKey("replicas.replica_id"), nullable=False, index=True),
    Column("record", Text, nullable=False),
)

ENDPOINT_LOG: Final = Table(
    "endpoint_log",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("endpoint", Text, nullable=False, index=True),
    Column("record", Text, nullable=False),
)

KEYS: Final = Table(
    "keys",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("key_id"),
    UniqueConstraint("digest"),
)

WORKSPACES: Final = Table(
    "workspaces",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

USAGE: Final = Table(
    "usage",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("at_s", Float, nullable=False, index=True),
    Column("day", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("replica_id", Text),
    Column("key_id", Text),
    Column("route", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("ended", Text, nullable=False),
    Column("queue_s", Float, nullable=False),
    Column("cold_s", Float, nullable=False),
    Column("execution_s", Float, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("images", Integer, nullable=False),
    Column("usd", Float, nullable=False),
    Column("replica_s", Float),
    Column("ttft_s", Float),
    # Few requests are under way at once: where one that ended looks for its beginning.
    Index(None, "ended", "request_id"),
    Index(None, "key_id", "at_s"),
)

SPOOLS: Final = Table(
    "spools",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("file", Text, nullable=False),
    Column("position", Integer, nullable=False),
)
