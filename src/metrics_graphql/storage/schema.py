"""The state of an engine's tables, compared with this version of the program."""

from enum import Enum
from typing import Final, Self

from metrics_graphql.core.errors import Unavailable


class SchemaStatus(Enum):
    """How the tables of an engine compare with those of this version."""

    MISSING = "missing"
    OUTDATED = "outdated"
    """Migrations are pending."""
    CURRENT = "current"
    NEWER = "newer"
    """A newer version migrated them. Processes that already run can still read them."""


PROBLEMS: Final = {
    SchemaStatus.MISSING: "has no tables. Run: metrics-graphql migrate",
    SchemaStatus.OUTDATED: "has pending migrations. Run: metrics-graphql migrate",
    SchemaStatus.NEWER: "was migrated by a newer version of metrics-graphql. Install that version.",
}


class SchemaMismatch(Unavailable):
    """The tables are not those of this version. The message explains what to do."""

    @classmethod
    def of(cls, status: SchemaStatus, engine: str = "The database") -> Self:
        """Return the error for a status that is not current."""
        return cls(f"{engine} {PROBLEMS[status]}")
