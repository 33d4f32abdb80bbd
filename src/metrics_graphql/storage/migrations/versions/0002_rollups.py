"""Roll-ups, and the data versions of organizations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# `runner.migrate` rebuilds the roll-ups after the last migration.
rebuilds_rollups = True

SIZES = ("xs", "s", "m", "l", "xl")
ORIGINS = ("api", "automation", "desktop", "jira", "linear", "slack", "teams", "webapp")
MEASURES = (
    "sessions_created_count",
    *(f"sessions_created_by_size_{size}" for size in SIZES),
    *(f"sessions_created_by_origin_{origin}" for origin in ORIGINS),
    "sessions_created_with_playbook_count",
    "sessions_created_with_search_count",
    "sessions_with_merged_prs_count",
    *(f"sessions_with_merged_prs_by_size_{size}" for size in SIZES),
    "acus_consumed",
)


def upgrade() -> None:
    op.add_column(
        "organizations",
        sa.Column("data_version", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "rollups",
        sa.Column("org_id", TEXT, nullable=False),
        sa.Column("scope", sa.SmallInteger, nullable=False),
        sa.Column("grain", sa.Integer, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("scope_id", TEXT, nullable=False),
        *(sa.Column(measure, sa.BigInteger, nullable=False) for measure in MEASURES),
        sa.PrimaryKeyConstraint(
            "org_id", "scope", "grain", "bucket", "scope_id", name="pk_rollups"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_rollups_org_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_rollups_org_id_scope_scope_id_grain_bucket",
        "rollups",
        ["org_id", "scope", "scope_id", "grain", "bucket"],
    )
