"""Selections made into writers: each turns a value that the store gave into JSON, in one go.

What the types of the schema show is said a second time here, as tables; tests compare what comes of
both on random queries.
"""

from collections.abc import Callable, Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple, cast

from graphql import (
    GRAPHQL_MAX_INT,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
)
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.domain.measures import ACUS_CONSUMED, AVERAGE_ACUS, MEASURES, Measure
from metrics_graphql.graphql_api.breakdowns import SessionUserKind
from metrics_graphql.graphql_api.scalars import serialize_instant
from metrics_graphql.graphql_api.schema import graphql_schema
from metrics_graphql.graphql_api.types import COMPARED

Fragments = Mapping[str, FragmentDefinitionNode]
Writer = Callable[[Any], str]


class OutOfTheOrdinary(Exception):
    """A selection that no writer is made for; graphql-core runs it."""


class Field(NamedTuple):
    """What a field shows of a value: JSON or, where it has an `object`, the value of that."""

    get: Callable[[Any], Any]
    object: "Object | None" = None
    is_list: bool = False


class Object(NamedTuple):
    """A type of the schema, and its fields as far as they can be written."""

    name: str
    fields: Mapping[str, Field]


def itself(value: Any) -> Any:  # noqa: ANN401 - any value
    """Return a value of which an object shows another side."""
    return value


def number(value: float | None) -> str:
    """Return a number, or none, as JSON."""
    return "null" if value is None else repr(value)


def sum_of(measure: Measure) -> Field:
    """Return the field that shows the sum of a measure."""
    name = measure.name

    def get(value: Any) -> int:  # noqa: ANN401 - any value with metrics
        count: int = value.metrics.sums[name]
        if count > GRAPHQL_MAX_INT:
            raise OutOfTheOrdinary
        return count

    return Field(get)


def change_of(measure: Measure) -> Field:
    """Return the field that shows the relative change of a measure."""
    return Field(lambda value: number(value.current.change_since(value.metrics, measure)))


def counts(kind: str, field: str) -> Field:
    """Return the field that counts by category."""
    members = {
        measure.member: sum_of(measure)
        for measure in MEASURES
        if measure.field == field and measure.member
    }
    return Field(itself, Object(kind, members))


AVERAGE: Final = to_camel_case(AVERAGE_ACUS)
AGGREGATES: Final = {
    **{
        to_camel_case(measure.field): sum_of(measure)
        for measure in MEASURES
        if measure.member is None and measure is not ACUS_CONSUMED
    },
    "sessionsCreatedBySize": counts("SessionCountsBySize", "sessions_created_by_size"),
    "sessionsCreatedByOrigin": counts("SessionCountsByOrigin", "sessions_created_by_origin"),
    "sessionsWithMergedPrsBySize": counts(
        "SessionCountsBySize", "sessions_with_merged_prs_by_size"
    ),
    AVERAGE: Field(lambda value: repr(value.metrics.avg_acus_per_session)),
}
PERIOD: Final = Field(
    lambda value: value.period,
    Object(
        "TimePeriod",
        {
            "startsAt": Field(lambda period: f'"{serialize_instant(period.start)}"'),
            "endsAt": Field(lambda period: f'"{serialize_instant(period.end)}"'),
        },
    ),
)
CHANGE: Final = Object(
    "SessionMetricsChange",
    {
        **{to_camel_case(measure.name): change_of(measure) for measure in COMPARED},
        AVERAGE: Field(lambda value: number(value.current.change_of_average_since(value.metrics))),
    },
)
ID: Final = {"id": Field(lambda row: encode_basestring(row.id))}
USER: Final = Object(
    "SessionUser",
    {
        **ID,
        "kind": Field(lambda row: f'"{SessionUserKind(row.field).name}"'),
    },
)
PLAYBOOK: Final = Object("Playbook", ID)
ORGANIZATION: Final = Object("Organization", ID)


def breakdown(kind: str, row: str, named: str, thing: Object) -> Object:
    """Return the type of a breakdown, with rows that each name a thing."""
    rows = Object(row, {**AGGREGATES, named: Field(itself, thing)})
    nodes = Field(lambda found: found.rows, rows, is_list=True)
    return Object(kind, {"nodes": nodes, "totalCount": Field(lambda found: found.total)})


OF_A_PERIOD: Final = {**AGGREGATES, "period": PERIOD}
TOTALS: Final = {
    "sessionMetrics": Object("SessionMetrics", OF_A_PERIOD),
    "enterpriseSessionMetrics": Object("EnterpriseSessionMetrics", OF_A_PERIOD),
}
"""The root fields that ask, and what their totals are made of."""
BUCKET: Final = Object("SessionMetricsBucket", OF_A_PERIOD)
PREVIOUS: Final = Object("PreviousPeriodMetrics", {**OF_A_PERIOD, "change": Field(itself, CHANGE)})
BY_USER: Final = breakdown("UserBreakdown", "UserSessionMetrics", "user", USER)
BY_PLAYBOOK: Final = breakdown("PlaybookBreakdown", "PlaybookSessionMetrics", "playbook", PLAYBOOK)
BY_ORGANIZATION: Final = breakdown(
    "OrganizationBreakdown", "OrganizationSessionMetrics", "organization", ORGANIZATION
)
VIEWER: Final = Object(
    "Viewer",
    {
        "id": Field(lambda caller: encode_basestring(caller.service_user_id)),
        "name": Field(lambda caller: encode_basestring(caller.name)),
    },
)


class Collected(NamedTuple):
    """A field to be written: its key, its name, and all the places where it is selected."""

    key: str
    name: str
    nodes: list[FieldNode]


def writer_of(kind: Object, selected: Iterable[Collected], fragments: Fragments) -> Writer:
    """Return what writes these fields of an object.

    Raises:
        OutOfTheOrdinary: one of them can't be written.
    """
    template, gets = template_of(kind, selected, fragments)
    return lambda value: template % tuple([get(value) for get in gets])


def template_of(
    kind: Object, selected: Iterable[Collected], fragments: Fragments
) -> tuple[str, list[Callable[[Any], Any]]]:
    """Return JSON with a `%s` for each part that differs, and how each is read off a value."""
    parts: list[str] = []
    gets: list[Callable[[Any], Any]] = []
    for key, name, nodes in selected:
        if name == "__typename":
            parts.append(f'"{key}":"{kind.name}"')
            continue
        field = kind.fields.get(name)
        if field is None:
            raise OutOfTheOrdinary
        if field.object is None:
            parts.append(f'"{key}":%s')
            gets.append(field.get)
            continue
        below = collected(field.object.name, nodes, fragments)
        if field.get is itself:
            # The same value: its part becomes a part of this template.
            inner, inner_gets = template_of(field.object, below, fragments)
            parts.append(f'"{key}":{inner}')
            gets += inner_gets
        else:
            parts.append(f'"{key}":%s')
            gets.append(nested(field, writer_of(field.object, below, fragments)))
    return "{" + ",".join(parts) + "}", gets


def nested(field: Field, write: Writer) -> Writer:
    """Return what writes the object, or the list of objects, of a field."""
    if field.is_list:
        return lambda value: written_list(write, field.get(value))
    return lambda value: write(field.get(value))


def written_list(write: Writer, values: Iterable[Any]) -> str:
    """Return a list of objects as JSON."""
    return "[" + ",".join([write(value) for value in values]) + "]"


def collected(kind: str, nodes: Iterable[FieldNode], fragments: Fragments) -> list[Collected]:
    """Return the fields selected under some places, which are of one type, in order.

    Raises:
        OutOfTheOrdinary: something is selected under a condition.
    """
    return collected_in(kind, (node.selection_set for node in nodes), fragments)


def collected_in(
    kind: str, selection_sets: Iterable[SelectionSetNode | None], fragments: Fragments
) -> list[Collected]:
    """Return the fields of some selection sets, which are of one type, in order.

    Raises:
        OutOfTheOrdinary: something is selected under a condition.
    """
    found: dict[str, Collected] = {}
    entered: set[str] = set()

    def collect(selection_set: SelectionSetNode | None) -> None:
        for node in selection_set.selections if selection_set else ():
            if node.directives:
                raise OutOfTheOrdinary
            if isinstance(node, FieldNode):
                key = (node.alias or node.name).value
                found.setdefault(key, Collected(key, node.name.value, [])).nodes.append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or applies(node.type_condition.name.value, kind):
                    collect(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in entered:
                entered.add(node.name.value)
                fragment = fragments[node.name.value]
                if applies(fragment.type_condition.name.value, kind):
                    collect(fragment.selection_set)

    for selection_set in selection_sets:
        collect(selection_set)
    return list(found.values())


def applies(condition: str, kind: str) -> bool:
    """Return whether an object of a type is what a fragment is for."""
    asked, actual = graphql_schema.type_map[condition], graphql_schema.type_map[kind]
    return asked is actual or (
        not isinstance(asked, GraphQLObjectType)
        and graphql_schema.is_sub_type(
            cast("GraphQLAbstractType", asked), cast("GraphQLObjectType", actual)
        )
    )
