"""The policies that versions were deployed with, and the share of its replica of each request."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table with what is wanted now; requests of before have no share."""
    policies = op.create_table(
        "policies",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_policies"),
    )
    op.create_index(
        "ix_policies_pipeline_version_endpoint", "policies", ["pipeline", "version", "endpoint"]
    )
    endpoints = sa.table("endpoints", sa.column("record", sa.Text))
    texts = op.get_bind().execute(
        sa.select(endpoints.c.record).where(endpoints.c.record.is_not(None))
    )
    op.bulk_insert(policies, [_deployed(json.loads(text)) for text in texts.scalars()])
    op.add_column("usage", sa.Column("replica_s", sa.Float))


def _deployed(endpoint: dict[str, object]) -> dict[str, object]:
    """A row for the version that an endpoint has wanted so far."""
    same = {
        "pipeline": endpoint["pipeline"],
        "version": endpoint["version"],
        "endpoint": endpoint["name"],
    }
    record = {
        **same,
        "policy": endpoint["policy"],
        "at_utc": endpoint["deployed_at_utc"],
        "schema_version": endpoint["schema_version"],
    }
    return {**same, "record": json.dumps(record)}
