"""The tables, as SQLAlchemy sees them. `migrations/` makes them; a test compares the two."""

import sqlalchemy as sa

from metrics_graphql.domain.measures import MEASURES

# Ordered by their bytes everywhere, as SQLite does; PostgreSQL would by the rules of a language.
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

organizations = sa.Table(
    "organizations",
    metadata,
    sa.Column("org_id", Text, primary_key=True),
    # Goes up in the transaction of every ingest that changes a session of the organization.
    sa.Column("data_version", sa.BigInteger, nullable=False, server_default="0"),
)

# Clustered by time within an organization: the rows of a period lie side by side, so SQLite reads
# them in one sweep without an index beside the table. `UNIQUE (org_id, session_id)` is what
# identifies a session. Each filter has an index in the same order, so that a filtered question
# costs its own rows only.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("org_id", sa.ForeignKey(organizations.c.org_id), nullable=False),
    sa.Column("session_id", Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("origin", Text),
    sa.Column("size", Text),
    sa.Column("user_id", Text),
    sa.Column("service_user_id", Text),
    sa.Column("playbook_id", Text),
    sa.Column("used_search", sa.Boolean, nullable=False),
    sa.Column("has_merged_pr", sa.Boolean, nullable=False),
    sa.Column("acus", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("org_id", "created_at", "session_id"),
    sa.UniqueConstraint("org_id", "session_id"),
    sa.Index(None, "org_id", "user_id", "created_at"),
    sa.Index(None, "org_id", "service_user_id", "created_at"),
    sa.Index(None, "org_id", "playbook_id", "created_at"),
    sqlite_with_rowid=False,
)

# One row for each organization, scope, grain and bucket in which a session was ever counted; see
# `rollups.py`. Clustered by bucket, so that all users of a period lie side by side for a breakdown;
# the index finds the buckets of one of them.
rollups = sa.Table(
    "rollups",
    metadata,
    sa.Column("org_id", sa.ForeignKey(organizations.c.org_id), nullable=False),
    sa.Column("scope", sa.SmallInteger, nullable=False),
    sa.Column("grain", sa.Integer, nullable=False),
    sa.Column("bucket", sa.BigInteger, nullable=False),
    sa.Column("scope_id", Text, nullable=False),
    *(sa.Column(measure.name, sa.BigInteger, nullable=False) for measure in MEASURES),
    sa.PrimaryKeyConstraint("org_id", "scope", "grain", "bucket", "scope_id"),
    sa.Index(None, "org_id", "scope", "scope_id", "grain", "bucket"),
    sqlite_with_rowid=False,
)

service_users = sa.Table(
    "service_users",
    metadata,
    sa.Column("service_user_id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    # Null: enterprise level, which covers every organization.
    sa.Column("org_id", sa.ForeignKey(organizations.c.org_id)),
    sa.Column("permissions", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    # Seconds; null is for ever.
    sa.Column("token_lifetime", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("last_used_at", sa.BigInteger),
)

tokens = sa.Table(
    "tokens",
    metadata,
    # The SHA-256 of the token; the token itself is nowhere.
    sa.Column("sha256", sa.LargeBinary(32), primary_key=True),
    sa.Column(
        "service_user_id",
        sa.ForeignKey(service_users.c.service_user_id),
        nullable=False,
        index=True,
    ),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
)

# How far pulling an organization's sessions from a source has come; see `syncs.py`.
syncs = sa.Table(
    "syncs",
    metadata,
    # Any organization, known or not: knowing one is what its first session does.
    sa.Column("org_id", Text, primary_key=True),
    sa.Column("source", Text, primary_key=True),
    sa.Column("since", sa.BigInteger),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("cursor", Text),
)
