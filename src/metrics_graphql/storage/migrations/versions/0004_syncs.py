"""Checkpoints of pulling sessions from a source."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "syncs",
        sa.Column("org_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("cursor", TEXT),
        sa.PrimaryKeyConstraint("org_id", "source", name="pk_syncs"),
    )
