"""The schema as a client reads it: committed, described, and named as the REST API."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
    get_introspection_query,
    specified_directives,
    specified_scalar_types,
    validate_schema,
)

from metrics_graphql.core.measures import AVERAGE_ACUS, MEASURES
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC
from metrics_graphql.graphql_api.schema import COSTS, graphql_schema, schema
from tests.graphql_api.conftest import Execute
from tests.strategies import ORIGIN_MEMBERS, SIZE_MEMBERS

ROOT = Path(__file__).parents[2]
PRINTED = schema.as_str()
SCHEMA = build_schema(PRINTED)
REST: dict[str, Any] = yaml.safe_load((ROOT / "tests/spec/v3-openapi.yaml").read_text())[
    "components"
]["schemas"]


def camel_case(name: str) -> str:
    """Return the GraphQL name of a REST key."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def described(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Yield the coordinate of each element that this schema defines, and its description."""
    for name, type_ in schema.type_map.items():
        if not name.startswith("__") and name not in specified_scalar_types:
            yield name, type_.description
            yield from described_members(name, type_)
    for directive in schema.directives:
        if directive.name not in {specified.name for specified in specified_directives}:
            # Strawberry has no descriptions of a directive's arguments.
            yield f"@{directive.name}", directive.description


def described_members(name: str, type_: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    """Yield the members of a type."""
    if isinstance(type_, GraphQLEnumType):
        for value_name, value in type_.values.items():
            yield f"{name}.{value_name}", value.description
    elif isinstance(type_, GraphQLInputObjectType):
        for input_name, input_field in type_.fields.items():
            yield f"{name}.{input_name}", input_field.description
    elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        for field_name, field in type_.fields.items():
            yield f"{name}.{field_name}", field.description
            yield from described_arguments(f"{name}.{field_name}", field.args)


def described_arguments(
    owner: str, arguments: Mapping[str, GraphQLArgument]
) -> Iterator[tuple[str, str | None]]:
    """Yield the arguments of a field."""
    for name, argument in arguments.items():
        yield f"{owner}({name}:)", argument.description


def object_type(name: str) -> GraphQLObjectType | GraphQLInterfaceType:
    """Return a type with fields."""
    type_ = SCHEMA.type_map[name]
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
    return type_


def types_of_fields(name: str) -> dict[str, str]:
    """Return the fields of a type, and the type of each."""
    return {field: str(value.type) for field, value in object_type(name).fields.items()}


def test_the_committed_schema_is_the_schema() -> None:
    """`metrics-graphql export-schema graphql > schema.graphql` updates it."""
    assert (ROOT / "schema.graphql").read_text() == PRINTED + "\n"


def test_the_schema_is_valid() -> None:
    """By graphql-core's own rules."""
    assert validate_schema(SCHEMA) == []


@pytest.mark.parametrize(
    ("coordinate", "description"), [pytest.param(*item, id=item[0]) for item in described(SCHEMA)]
)
def test_everything_is_described(coordinate: str, description: str | None) -> None:
    """In sentences, from a capital letter or code to a full stop."""
    assert description, coordinate
    assert description[0].isupper() or description[0] in "`0123456789"
    assert description.endswith(".")
    assert description == description.strip()


def test_the_measures_have_the_names_of_the_rest_keys() -> None:
    """In camel case; the other fields are other queries of the same sessions."""
    keys = {camel_case(key) for key in REST["SessionMetricsResponse"]["properties"]}
    keys |= {"prsCreatedCount", "prsOpenedCount", "prsMergedCount", "prsClosedCount"}
    keys |= {"acusConsumed"}

    assert set(types_of_fields("SessionAggregates")) == keys
    others = {"period", "timeSeries", "previousPeriod"}
    others |= {"byUser", "byServiceUser", "byPlaybook", "byOrigin", "bySize"}
    assert set(types_of_fields("SessionMetricsResult")) == keys | others
    assert set(types_of_fields("SessionMetrics")) == keys | others
    of_enterprise = keys | others | {"byOrganization"}
    assert set(types_of_fields("EnterpriseSessionMetrics")) == of_enterprise


def test_every_measure_has_a_change() -> None:
    """Under its own name; the change from 0 is null."""
    members = dict.fromkeys((*SIZE_MEMBERS, *ORIGIN_MEMBERS), "Float")
    expected = {
        name: type_.replace("!", "Change!") if type_.startswith("SessionCounts") else "Float"
        for name, type_ in types_of_fields("SessionAggregates").items()
    }

    assert types_of_fields("SessionMetricsChange") == expected
    by_size, by_origin = (
        types_of_fields(f"SessionCountsBy{category}Change") for category in ("Size", "Origin")
    )
    assert by_size | by_origin == members


def test_a_breakdown_is_a_page_of_rows() -> None:
    """All have the same arguments and fields; a row has the measures, and what it is of."""
    for name in ("User", "ServiceUser", "Playbook", "Organization", "Origin", "Size"):
        field = object_type("EnterpriseSessionMetrics").fields[f"by{name}"]
        arguments = {argument: str(value.type) for argument, value in field.args.items()}
        row = types_of_fields(f"{name}SessionMetrics")
        keys = row.keys() - types_of_fields("SessionAggregates").keys()
        key_type = f"Session{name}!" if name in {"Origin", "Size"} else f"{name}!"

        assert arguments == {
            "first": "Int!", "after": "String", "orderBy": "SessionMetricsOrder!",
        }  # fmt: skip
        assert types_of_fields(f"{name}Breakdown") == {
            "totalCount": "Int!",
            "pageInfo": "PageInfo!",
            "nodes": f"[{name}SessionMetrics!]!",
        }
        assert [row[key] for key in keys] == [key_type]


def test_rows_can_be_ranked_by_every_number() -> None:
    """By each measure, each of its members, and the average."""
    order = SCHEMA.type_map["SessionMetricsOrderField"]
    assert isinstance(order, GraphQLEnumType)
    numbers = {
        f"{field}_{member}" if member else field
        for field, type_ in types_of_fields("SessionAggregates").items()
        for member in (
            types_of_fields(type_.rstrip("!")) if type_.startswith("SessionCounts") else [""]
        )
    }

    assert {camel_case(name.lower()) for name in order.values} == {
        camel_case(re.sub("(?<!^)[A-Z]", lambda at: f"_{at[0]}", name).lower()) for name in numbers
    }


def test_the_measures_have_the_types_of_the_rest_keys() -> None:
    """All are non-null, as every key is required."""
    response = REST["SessionMetricsResponse"]
    assert set(response["required"]) == set(response["properties"])
    for key, value in response["properties"].items():
        kind = value.get("type") or value["$ref"].rpartition("/")[2]
        expected = {"integer": "Int!", "number": "Float!"}.get(kind, f"{kind}!")
        assert types_of_fields("SessionMetrics")[camel_case(key)] == expected


@pytest.mark.parametrize("name", ["SessionCountsBySize", "SessionCountsByOrigin"])
def test_the_members_have_the_names_of_the_rest_keys(name: str) -> None:
    """Sizes and origins are named as there; `other` has the rest."""
    members = [*REST[name]["properties"], "other"]
    enum = SCHEMA.type_map[name.replace("CountsBy", "")]
    assert isinstance(enum, GraphQLEnumType)

    assert types_of_fields(name) == dict.fromkeys(members, "Int!")
    assert set(enum.values) == {member.upper() for member in members}


def test_the_filters_have_the_names_of_the_rest_parameters() -> None:
    """Null stands for a parameter that is left out. The last three are of GraphQL only."""
    filters = SCHEMA.type_map["SessionMetricsFilters"]
    assert isinstance(filters, GraphQLInputObjectType)

    assert {name: str(field.type) for name, field in filters.fields.items()} == {
        "timeAfter": "DateTime!",
        "timeBefore": "DateTime!",
        "userIds": "[ID!]",
        "serviceUserIds": "[ID!]",
        "playbookIds": "[ID!]",
        "origins": "[SessionOrigin!]",
        "sizes": "[SessionSize!]",
        "hasMergedPr": "Boolean",
    }


def test_every_measure_of_the_table_is_a_field() -> None:
    """The average is the only field that is none."""
    shown = {
        (field, member)
        for field, type_ in types_of_fields("SessionAggregates").items()
        for member in (
            types_of_fields(type_.rstrip("!")) if type_.startswith("SessionCounts") else [None]
        )
    }
    declared = {(camel_case(measure.response_key), measure.member) for measure in MEASURES}

    assert shown == declared | {(camel_case(AVERAGE_ACUS), None)}


def test_fields_of_the_interface_are_equal_in_every_type() -> None:
    """They have the same types and descriptions."""
    interface = object_type("SessionAggregates")
    assert isinstance(interface, GraphQLInterfaceType)
    implementations = SCHEMA.get_implementations(interface).objects
    assert implementations
    for implementation in implementations:
        for name, field in interface.fields.items():
            assert str(implementation.fields[name].type) == str(field.type)
            assert implementation.fields[name].description == field.description


def test_root_fields_are_nullable() -> None:
    """So that an error in one leaves the others intact."""
    assert types_of_fields("Query")["sessionMetrics"] == "SessionMetrics"
    assert types_of_fields("Query")["enterpriseSessionMetrics"] == "EnterpriseSessionMetrics"


def test_every_field_that_fetches_is_nullable_and_has_a_cost() -> None:
    """An error makes it null and nothing else; on graphql-core it takes a statement of its own."""
    fetching = [
        (name, field)
        for kind in graphql_schema.type_map.values()
        for name, field in getattr(kind, "fields", {}).items()
        if FETCH_SPEC in getattr(field.extensions.get("strawberry-definition"), "metadata", {})
    ]

    # Two root fields, those of the interface and of its two types, and a series.
    assert len(fetching) == 2 + 7 + 7 + 8 + 1
    for name, field in fetching:
        assert not isinstance(field.type, GraphQLNonNull)
        assert COSTS[name] >= 1


def test_there_are_only_queries() -> None:
    """No mutations and no subscriptions."""
    assert SCHEMA.mutation_type is None
    assert SCHEMA.subscription_type is None


def test_introspection_returns_the_committed_schema(execute: Execute) -> None:
    """By the introspection query of GraphiQL."""
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    body = execute(query)

    assert "errors" not in body
    served = build_client_schema(body["data"])
    assert find_breaking_changes(SCHEMA, served) == []
    assert find_dangerous_changes(SCHEMA, served) == []
    assert find_breaking_changes(served, SCHEMA) == []
    assert dict(described(served)) == dict(described(SCHEMA))
