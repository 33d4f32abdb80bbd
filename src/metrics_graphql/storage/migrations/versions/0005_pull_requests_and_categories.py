"""Pull requests, roll-ups by origin, size and outcome, and names."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

rebuilds_rollups = True

SESSION_COLUMNS = ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")
PULL_REQUEST_MEASURES = (
    "prs_created_count",
    "prs_opened_count",
    "prs_merged_count",
    "prs_closed_count",
)
BASE_MEASURES = (
    "sessions_created_count",
    "sessions_created_with_playbook_count",
    "sessions_created_with_search_count",
    "acus_consumed",
    *PULL_REQUEST_MEASURES,
)


def upgrade() -> None:
    for name in SESSION_COLUMNS:
        op.add_column("sessions", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    # The rebuild that follows fills the columns: it deletes all rows before it inserts.
    op.execute("DELETE FROM rollups")
    for name in PULL_REQUEST_MEASURES:
        op.add_column("rollups", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "category_rollups",
        sa.Column("org_id", TEXT, nullable=False),
        sa.Column("grain", sa.Integer, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("size", TEXT, nullable=False),
        sa.Column("has_merged_pr", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in BASE_MEASURES),
        sa.PrimaryKeyConstraint(
            "org_id",
            "grain",
            "bucket",
            "origin",
            "size",
            "has_merged_pr",
            name="pk_category_rollups",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["organizations.org_id"], name="fk_category_rollups_org_id"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "names",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_names"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("names")
    op.drop_table("category_rollups")
    for name in PULL_REQUEST_MEASURES:
        op.drop_column("rollups", name)
    for name in SESSION_COLUMNS:
        op.drop_column("sessions", name)
