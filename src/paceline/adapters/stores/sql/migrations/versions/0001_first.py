"""Runs, trials, versions, failures, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    _runs()
    _trials()
    _versions()
    _history()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("plan", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("ended_at_utc", sa.Text),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_pipeline", "runs", ["pipeline"])
    op.create_table(
        "leases",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("taken_at_utc", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_leases"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_leases_run_id"),
    )


def _trials() -> None:
    op.create_table(
        "trial_transitions",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("trial_id", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("cause", sa.Text),
        sa.Column("at_utc", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_trial_transitions"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_trial_transitions_run_id"),
    )
    op.create_index(
        "ix_trial_transitions_run_id_trial_id", "trial_transitions", ["run_id", "trial_id"]
    )
    op.create_table(
        "trials",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("trial_id", sa.Text, nullable=False),
        sa.Column("variant_id", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_trials"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_trials_run_id"),
        sa.UniqueConstraint("run_id", "trial_id", name="uq_trials_run_id_trial_id"),
    )


def _versions() -> None:
    op.create_table(
        "pipelines",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("current", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_pipelines"),
    )
    op.create_table(
        "versions",
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("receipt_sha256", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "number", name="pk_versions"),
        sa.ForeignKeyConstraint(["pipeline"], ["pipelines.name"], name="fk_versions_pipeline"),
        sa.UniqueConstraint("pipeline", "run_id", name="uq_versions_pipeline_run_id"),
    )


def _history() -> None:
    op.create_table(
        "failures",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("model_sha256", sa.Text, nullable=False),
        sa.Column("engine_version", sa.Text, nullable=False),
        sa.Column("variant_id", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_failures"),
        sa.UniqueConstraint(
            "model_sha256",
            "engine_version",
            "variant_id",
            name="uq_failures_model_sha256_engine_version_variant_id",
        ),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at_utc", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("pipeline", sa.Text),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
    )
    op.create_index("ix_events_run_id", "events", ["run_id"])
    op.create_index("ix_events_pipeline", "events", ["pipeline"])
