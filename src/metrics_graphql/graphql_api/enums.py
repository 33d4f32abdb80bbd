"""The enums of the core as types of the schema. To be imported from here for the schema."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry

from metrics_graphql.core.breakdowns import CreatorKind, OrderDirection, OrderField
from metrics_graphql.core.intervals import TimeInterval

__all__ = ["CreatorKind", "OrderDirection", "OrderField", "TimeInterval"]

E = TypeVar("E", bound=Enum)


def describe(
    enum: type[E], description: str, values: Mapping[E, str], name: str | None = None
) -> None:
    """Make an enum of the core a type of the schema, with a description for each value."""
    strawberry.enum(enum, name=name, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined] # added by Strawberry
    by_name = {member.name: text for member, text in values.items()}
    for value in definition.values:
        value.description = by_name[value.name]


describe(
    TimeInterval,
    "A calendar interval, in the requested time zone.",
    {
        TimeInterval.HOUR: "On the hour.",
        TimeInterval.DAY: "From midnight.",
        TimeInterval.WEEK: "From Monday.",
        TimeInterval.MONTH: "From the first of the month.",
    },
)
describe(
    OrderField,
    "The measures a breakdown can be ranked by.",
    {
        OrderField.SESSIONS_CREATED_COUNT: "By `sessionsCreatedCount`.",
        OrderField.SESSIONS_WITH_MERGED_PRS_COUNT: "By `sessionsWithMergedPrsCount`.",
        OrderField.AVG_ACUS_PER_SESSION: "By `avgAcusPerSession`.",
    },
    name="SessionMetricsOrderField",
)
describe(
    OrderDirection,
    "The two directions of a ranking.",
    {OrderDirection.ASC: "The smallest first.", OrderDirection.DESC: "The largest first."},
)
describe(
    CreatorKind,
    "The kinds of users that create sessions.",
    {
        CreatorKind.USER: "A person.",
        CreatorKind.SERVICE_USER: "A program with its own credential.",
    },
    name="SessionUserKind",
)
