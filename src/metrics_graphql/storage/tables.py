"""The tables, as SQLAlchemy describes them. `migrations/` creates them; a test compares the two."""

import sqlalchemy as sa

from metrics_graphql.core.measures import MEASURES, Measure
from metrics_graphql.core.sessions import CATEGORIES

# Ordered by bytes in every engine, as SQLite does; PostgreSQL would use the rules of a language.
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

STORED_MEASURES = tuple(measure for measure in MEASURES if not measure.is_remainder)
"""The measures that roll-ups have a column for. A remainder is the difference of others."""
CATEGORY_FIELDS = (*CATEGORIES, "has_merged_pr")
"""The fields of a session that category roll-ups group by."""
BASE_MEASURES = tuple(
    measure for measure in STORED_MEASURES if not measure.condition.keys() & set(CATEGORY_FIELDS)
)
"""The measures of category roll-ups. The others are sums of these over some of the rows."""


def measure_columns(measures: tuple[Measure, ...]) -> list[sa.Column[int]]:
    """Return a column for each measure."""
    return [sa.Column(measure.name, sa.BigInteger, nullable=False) for measure in measures]


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
    # Incremented in the transaction of each ingest that changes a session of the organization.
    sa.Column("data_version", sa.BigInteger, nullable=False, server_default="0"),
)

# Clustered by time within an organization, so that SQLite reads a period in one pass and without a
# secondary index. `UNIQUE (org_id, session_id)` identifies a session. Each filter has an index in
# the same order, so that a filtered query reads matching rows only. See docs/decisions/0001.
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
    *(
        sa.Column(name, sa.Integer, nullable=False, server_default="0")
        for name in ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")
    ),
    sa.PrimaryKeyConstraint("org_id", "created_at", "session_id"),
    sa.UniqueConstraint("org_id", "session_id"),
    sa.Index(None, "org_id", "user_id", "created_at"),
    sa.Index(None, "org_id", "service_user_id", "created_at"),
    sa.Index(None, "org_id", "playbook_id", "created_at"),
    sqlite_with_rowid=False,
)

# The sums of all measures, for each bucket of each roll-up dimension (see `rollups.py`) that ever
# had a session. Clustered by bucket, so that a breakdown reads all users of a period in one pass;
# the index finds the buckets of one user.
#
# `scope` is the code of the dimension, `scope_id` the id in it. These names are those of the first
# release: in a rolling upgrade, processes of older versions use the same columns.
rollups = sa.Table(
    "rollups",
    metadata,
    sa.Column("org_id", sa.ForeignKey(organizations.c.org_id), nullable=False),
    sa.Column("scope", sa.SmallInteger, nullable=False),
    sa.Column("grain", sa.Integer, nullable=False),
    sa.Column("bucket", sa.BigInteger, nullable=False),
    sa.Column("scope_id", Text, nullable=False),
    *measure_columns(STORED_MEASURES),
    sa.PrimaryKeyConstraint("org_id", "scope", "grain", "bucket", "scope_id"),
    sa.Index(None, "org_id", "scope", "scope_id", "grain", "bucket"),
    sqlite_with_rowid=False,
)

# The sums of the sessions of an organization with the same origin, size and outcome, from which any
# combination of these is filtered or grouped. Origins and sizes are the public ones and "other".
category_rollups = sa.Table(
    "category_rollups",
    metadata,
    sa.Column("org_id", sa.ForeignKey(organizations.c.org_id), nullable=False),
    sa.Column("grain", sa.Integer, nullable=False),
    sa.Column("bucket", sa.BigInteger, nullable=False),
    sa.Column("origin", Text, nullable=False),
    sa.Column("size", Text, nullable=False),
    sa.Column("has_merged_pr", sa.Boolean, nullable=False),
    *measure_columns(BASE_MEASURES),
    sa.PrimaryKeyConstraint("org_id", "grain", "bucket", *CATEGORY_FIELDS),
    sqlite_with_rowid=False,
)

service_users = sa.Table(
    "service_users",
    metadata,
    sa.Column("service_user_id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    # Null for the enterprise (`core.tenants.ENTERPRISE`).
    sa.Column("org_id", sa.ForeignKey(organizations.c.org_id)),
    sa.Column("permissions", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    # Seconds; null if tokens do not expire.
    sa.Column("token_lifetime", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("last_used_at", sa.BigInteger),
)

tokens = sa.Table(
    "tokens",
    metadata,
    # Of the token, which is not stored.
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

# What people call the users, service users, playbooks and organizations with these ids.
names = sa.Table(
    "names",
    metadata,
    sa.Column("kind", Text, primary_key=True),
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

# The progress of pulling an organization's sessions from a source; see `sync_checkpoints.py`.
sync_checkpoints = sa.Table(
    "syncs",
    metadata,
    # Not a foreign key: an organization becomes known with its first session.
    sa.Column("org_id", Text, primary_key=True),
    sa.Column("source", Text, primary_key=True),
    sa.Column("since", sa.BigInteger),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("cursor", Text),
)
