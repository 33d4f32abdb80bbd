"""Pull requests, roll-ups by origin, size and outcome, names, and smaller indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

rebuilds_rollups = True

SESSION_COLUMNS = ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")
FILTERS = ("user_id", "service_user_id", "playbook_id")
SIZES = ("xs", "s", "m", "l", "xl")
ORIGINS = ("api", "automation", "desktop", "jira", "linear", "slack", "teams", "webapp")
RANKED_BY = ("sessions_created_count", "sessions_with_merged_prs_count", "acus_consumed")
SUMS = (
    "acus_consumed",
    "prs_created_count",
    "prs_opened_count",
    "prs_merged_count",
    "prs_closed_count",
)
MEASURES = (
    "sessions_created_count",
    *(f"sessions_created_by_size_{size}" for size in SIZES),
    *(f"sessions_created_by_origin_{origin}" for origin in ORIGINS),
    "sessions_created_with_playbook_count",
    "sessions_created_with_search_count",
    "sessions_with_merged_prs_count",
    *(f"sessions_with_merged_prs_by_size_{size}" for size in SIZES),
    *SUMS,
)
BASE_MEASURES = (
    "sessions_created_count",
    "sessions_created_with_playbook_count",
    "sessions_created_with_search_count",
    *SUMS,
)


def measure_columns(names: tuple[str, ...]) -> list[sa.Column[int]]:
    return [
        sa.Column(name, sa.BigInteger if name in SUMS else sa.Integer, nullable=False)
        for name in names
    ]


def upgrade() -> None:
    for name in SESSION_COLUMNS:
        op.add_column("sessions", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    for name in FILTERS:
        index = f"ix_sessions_org_id_{name}_created_at"
        op.drop_index(index, "sessions")
        has_id = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            index,
            "sessions",
            ["org_id", name, "created_at"],
            postgresql_where=has_id,
            sqlite_where=has_id,
        )
    # The rebuild that follows fills the table.
    op.drop_table("rollups")
    op.create_table(
        "rollups",
        sa.Column("org_id", TEXT, nullable=False),
        sa.Column("scope", sa.SmallInteger, nullable=False),
        sa.Column("scope_id", TEXT, nullable=False),
        sa.Column("grain", sa.Integer, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        *measure_columns(MEASURES),
        sa.PrimaryKeyConstraint(
            "org_id", "scope", "scope_id", "grain", "bucket", name="pk_rollups"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_rollups_org_id"),
        sqlite_with_rowid=False,
    )
    by_time = sa.text("scope > 0")
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_index(
        "ix_rollups_org_id_scope_grain_bucket_scope_id",
        "rollups",
        ["org_id", "scope", "grain", "bucket", "scope_id", *(RANKED_BY if is_sqlite else ())],
        postgresql_where=by_time,
        sqlite_where=by_time,
    )
    op.create_table(
        "category_rollups",
        sa.Column("org_id", TEXT, nullable=False),
        sa.Column("grain", sa.Integer, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("size", TEXT, nullable=False),
        sa.Column("has_merged_pr", sa.Boolean, nullable=False),
        *measure_columns(BASE_MEASURES),
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
