"""Whose run it is, for quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; runs of before belong to the default workspace."""
    op.add_column("runs", sa.Column("workspace", sa.Text, nullable=False, server_default="default"))
    op.create_index("ix_runs_workspace", "runs", ["workspace"])
