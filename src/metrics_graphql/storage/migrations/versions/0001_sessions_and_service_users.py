"""Sessions, organizations, service users and their tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("org_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_organizations"),
    )
    op.create_table(
        "sessions",
        sa.Column("org_id", TEXT, nullable=False),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("origin", TEXT),
        sa.Column("size", TEXT),
        sa.Column("user_id", TEXT),
        sa.Column("service_user_id", TEXT),
        sa.Column("playbook_id", TEXT),
        sa.Column("used_search", sa.Boolean, nullable=False),
        sa.Column("has_merged_pr", sa.Boolean, nullable=False),
        sa.Column("acus", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "created_at", "session_id", name="pk_sessions"),
        sa.UniqueConstraint("org_id", "session_id", name="uq_sessions_org_id_session_id"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name="fk_sessions_org_id"),
        sqlite_with_rowid=False,
    )
    for column in ("user_id", "service_user_id", "playbook_id"):
        op.create_index(
            f"ix_sessions_org_id_{column}_created_at",
            "sessions",
            ["org_id", column, "created_at"],
        )
    op.create_table(
        "service_users",
        sa.Column("service_user_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("org_id", TEXT),
        sa.Column("permissions", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("token_lifetime", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("service_user_id", name="pk_service_users"),
        sa.ForeignKeyConstraint(
            ["org_id"], ["organizations.org_id"], name="fk_service_users_org_id"
        ),
    )
    op.create_table(
        "tokens",
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("service_user_id", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("sha256", name="pk_tokens"),
        sa.ForeignKeyConstraint(
            ["service_user_id"],
            ["service_users.service_user_id"],
            name="fk_tokens_service_user_id",
        ),
    )
    op.create_index("ix_tokens_service_user_id", "tokens", ["service_user_id"])
