"""Endpoints, replicas, their steps and logs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of deployments."""
    op.create_table(
        "endpoints",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("record", sa.Text),
        sa.Column("status", sa.Text),
        sa.PrimaryKeyConstraint("name", name="pk_endpoints"),
    )
    op.create_table(
        "replicas",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("replica_id", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_replicas"),
        sa.UniqueConstraint("replica_id", name="uq_replicas_replica_id"),
    )
    op.create_index("ix_replicas_endpoint", "replicas", ["endpoint"])
    op.create_index("ix_replicas_pipeline_version", "replicas", ["pipeline", "version"])
    op.create_table(
        "replica_steps",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("replica_id", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_replica_steps"),
        sa.ForeignKeyConstraint(
            ["replica_id"], ["replicas.replica_id"], name="fk_replica_steps_replica_id"
        ),
    )
    op.create_index("ix_replica_steps_replica_id", "replica_steps", ["replica_id"])
    op.create_table(
        "endpoint_log",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_endpoint_log"),
    )
    op.create_index("ix_endpoint_log_endpoint", "endpoint_log", ["endpoint"])
