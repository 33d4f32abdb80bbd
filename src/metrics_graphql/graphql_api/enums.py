"""The enums of the schema. Import those of the core from here, where they become schema types."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.core.breakdowns import ORDER_MEASURES, OrderDirection
from metrics_graphql.core.intervals import TimeInterval
from metrics_graphql.core.measures import MEMBER_DESCRIPTIONS
from metrics_graphql.core.names import NamedKind

__all__ = [
    "NamedKind",
    "OrderDirection",
    "OrderField",
    "SessionOrigin",
    "SessionSize",
    "TimeInterval",
]

E = TypeVar("E", bound=Enum)


def describe(
    enum: type[E], description: str, values: Mapping[E, str], name: str | None = None
) -> type[E]:
    """Make an enum a type of the schema, with a description for each value."""
    strawberry.enum(enum, name=name, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined] # added by Strawberry
    by_name = {member.name: text for member, text in values.items()}
    for value in definition.values:
        value.description = by_name[value.name]
    return enum


def enum_of(name: str, description: str, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - an enum
    """Return an enum of texts of the core; its names are the texts in upper case."""
    members = {value.upper(): value for value in values}
    enum: type[Enum] = Enum(name, members)  # type: ignore[misc] # mypy wants the members spelled out
    return describe(enum, description, {enum(value): text for value, text in values.items()})


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
    NamedKind,
    "What can have a name, and be searched for.",
    {
        NamedKind.USER: "People who create sessions.",
        NamedKind.SERVICE_USER: "Service users that create sessions.",
        NamedKind.PLAYBOOK: "Playbooks that sessions are created from.",
        NamedKind.ORGANIZATION: "Organizations.",
    },
    name="FilterOptionKind",
)
describe(
    OrderDirection,
    "The two directions of a ranking.",
    {OrderDirection.ASC: "The smallest first.", OrderDirection.DESC: "The largest first."},
)
SessionOrigin: Final = enum_of(
    "SessionOrigin", "Where sessions are started.", MEMBER_DESCRIPTIONS["origin"]
)
SessionSize: Final = enum_of(
    "SessionSize", "The sizes of sessions, as they were loaded.", MEMBER_DESCRIPTIONS["size"]
)
OrderField: Final = enum_of(
    "SessionMetricsOrderField",
    "The measures a breakdown can be ranked by.",
    {name: f"By `{to_camel_case(name)}`." for name in ORDER_MEASURES},
)
