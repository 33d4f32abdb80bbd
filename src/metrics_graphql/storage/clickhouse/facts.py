"""The table that has sessions and roll-ups in ClickHouse, as SQLAlchemy describes it.

A row is a version of a session, a roll-up, or the marker of a block: docs/decisions/0008.
"""

from typing import Final

import sqlalchemy as sa

from metrics_graphql.core.periods import DAY, HOUR, QUARTER_HOUR, THIRTY_DAYS
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.tables import CATEGORY_FIELDS, STORED_MEASURES

SESSION_SCOPE: Final = -1
"""The value of `scope` in versions of sessions. `bucket` is their `created_at`."""
MARKER_SCOPE: Final = -2
"""The value of `scope` in markers. `bucket` is their lane, `version` the number of their block,
`session_id` a random text."""

ATTRIBUTES: Final = (
    "origin",
    "size",
    "user_id",
    "service_user_id",
    "playbook_id",
    "used_search",
    "has_merged_pr",
)
"""The fields of a session that are columns of `facts` under the same name. A roll-up by category
has those of `CATEGORY_FIELDS`, with public values."""
KEY: Final = ("org_id", "scope", "grain", "bucket", "scope_id", "session_id", "version")

# `n` is the number of times that a version was added, less those that it was taken back: 1 or 0.
facts = sa.Table(
    "facts",
    sa.MetaData(),
    *(
        sa.Column(name, sa.Text if name in {"org_id", "scope_id", "session_id"} else sa.BigInteger)
        for name in KEY
    ),
    sa.Column("n", sa.BigInteger),
    *(
        sa.Column(name, sa.Boolean if name in {"used_search", "has_merged_pr"} else sa.Text)
        for name in ATTRIBUTES
    ),
    *(sa.Column(measure.name, sa.BigInteger) for measure in STORED_MEASURES),
)


def dimension(code: int, fields: tuple[str, ...], *grains: int) -> RollupDimension:
    """Return a dimension of the roll-ups in `facts`."""
    return RollupDimension(facts, STORED_MEASURES, frozenset(fields), grains, code)


# With buckets of an hour, a query reads less than two hours of raw sessions. In a database, which
# has indexes of raw sessions, hours would cost more than they save. So would those by category
# here, which are about as many as the sessions of a small organization.
ORGANIZATION: Final = dimension(0, (), THIRTY_DAYS, DAY, HOUR, QUARTER_HOUR)
USER: Final = dimension(1, ("user_id",), THIRTY_DAYS, DAY, HOUR)
SERVICE_USER: Final = dimension(2, ("service_user_id",), THIRTY_DAYS, DAY, HOUR)
PLAYBOOK: Final = dimension(3, ("playbook_id",), THIRTY_DAYS, DAY, HOUR)
CATEGORY: Final = dimension(4, CATEGORY_FIELDS, THIRTY_DAYS, DAY)
DIMENSIONS: Final = (ORGANIZATION, USER, SERVICE_USER, PLAYBOOK, CATEGORY)
"""In order of preference: see `Dialect.rollup_dimensions`."""
GRAINS: Final = tuple(sorted({0, *(grain for each in DIMENSIONS for grain in each.grains)}))
"""All values of `grain`; 0 for sessions."""
