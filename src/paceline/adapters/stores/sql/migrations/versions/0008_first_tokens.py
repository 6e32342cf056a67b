"""The time to the first token of each request that had one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; of requests of before it is not known."""
    op.add_column("usage", sa.Column("ttft_s", sa.Float))
