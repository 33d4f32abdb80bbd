"""`facts`, the table of sessions and roll-ups in ClickHouse, as SQLAlchemy describes it.

A row is a version of a session, a roll-up, or the marker of a block: docs/decisions/0008. The
column `scope` distinguishes them. In a roll-up, it is the code of the dimension.
"""

from typing import Final

import sqlalchemy as sa

from metrics_graphql.core.periods import DAY, HOUR, QUARTER_HOUR, THIRTY_DAYS
from metrics_graphql.storage.rollups import (
    CATEGORY,
    ORGANIZATION,
    PLAYBOOK,
    SERVICE_USER,
    USER,
    RollupDimension,
)
from metrics_graphql.storage.tables import STORED_MEASURES

SESSION_SCOPE: Final = -1
"""The value of `scope` in versions of sessions. `bucket` is their `created_at`."""
MARKER_SCOPE: Final = -2
"""The value of `scope` in markers. `bucket` is their lane, `version` the number of their block, and
`session_id` their nonce."""

ATTRIBUTES: Final = (
    "origin",
    "size",
    "user_id",
    "service_user_id",
    "playbook_id",
    "used_search",
    "has_merged_pr",
)
"""The fields of a session that are columns of `facts` under the same name. A category roll-up has
values in those of `CATEGORY_FIELDS`: its categories."""
KEY: Final = ("org_id", "scope", "grain", "bucket", "scope_id", "session_id", "version")

# `n` is how often a version was added, minus how often it was cancelled: 1 or 0.
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


def in_facts(dimension: RollupDimension, *grains: int) -> RollupDimension:
    """Return a dimension as it is in `facts`: with all measures, and with grains of its own."""
    return dimension._replace(table=facts, measures=STORED_MEASURES, grains=grains)


FACTS_CATEGORY: Final = in_facts(CATEGORY, THIRTY_DAYS, DAY)
# `facts` has no index by id: at both ends of its period, a query for a user reads the raw sessions
# of all users. With roll-ups by hour, these are less than two hours of sessions (decision 8).
DIMENSIONS: Final = (
    in_facts(ORGANIZATION, THIRTY_DAYS, DAY, HOUR, QUARTER_HOUR),
    in_facts(USER, THIRTY_DAYS, DAY, HOUR),
    in_facts(SERVICE_USER, THIRTY_DAYS, DAY, HOUR),
    in_facts(PLAYBOOK, THIRTY_DAYS, DAY, HOUR),
    FACTS_CATEGORY,
)
"""In order of preference: see `Dialect.rollup_dimensions`."""
GRAINS: Final = tuple(sorted({0, *(grain for each in DIMENSIONS for grain in each.grains)}))
"""All values of `grain`; 0 for sessions."""
