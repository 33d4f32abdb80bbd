"""Argument converters: they return what Strawberry's own conversion returns."""

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    Undefined,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
)
from hypothesis import given
from hypothesis import strategies as st
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from metrics_graphql.graphql_api.argument_converters import arguments_converter
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC
from metrics_graphql.graphql_api.schema import graphql_schema, schema


def definition_of(field: GraphQLField) -> StrawberryField:
    """Return the Strawberry definition of a field."""
    definition: StrawberryField = field.extensions["strawberry-definition"]
    return definition


FETCHED = {
    f"{object_type.name}.{name}": field
    for object_type in graphql_schema.type_map.values()
    if isinstance(object_type, GraphQLObjectType)
    for name, field in object_type.fields.items()
    if "strawberry-definition" in field.extensions
    if FETCH_SPEC in definition_of(field).metadata
}
"""The fields whose arguments are converted on the fast path."""


def values(input_type: GraphQLInputType) -> st.SearchStrategy[Any]:
    """Return values of an input type, as graphql-core passes them on."""
    if not isinstance(input_type, GraphQLNonNull):
        return st.none() | values(GraphQLNonNull(input_type))
    nullable = get_nullable_type(input_type)
    if isinstance(nullable, GraphQLList):
        return st.lists(values(nullable.of_type), max_size=3)
    if isinstance(nullable, GraphQLInputObjectType):
        fields = nullable.fields
        required = {name for name, each in fields.items() if is_required_input_field(each)}
        return dictionaries({name: each.type for name, each in fields.items()}, required)
    if isinstance(nullable, GraphQLEnumType):
        return st.sampled_from([nullable.coerce_input_value(name) for name in nullable.values])
    return st.integers() if nullable.name in {"DateTime", "Int"} else st.text(max_size=3)


def dictionaries(
    types: dict[str, GraphQLInputType], required: set[str]
) -> st.SearchStrategy[dict[str, Any]]:
    """Return values by name, of which some may be left out."""
    strategies = {name: values(each) for name, each in types.items()}
    return st.fixed_dictionaries(
        {name: strategies[name] for name in required},
        optional={name: each for name, each in strategies.items() if name not in required},
    )


def test_every_field_that_fetches_is_checked() -> None:
    """Two root fields, the fields below each, and the series of the previous period."""
    assert {"Query.sessionMetrics", "SessionMetrics.byUser"} <= FETCHED.keys()
    assert len(FETCHED) == 2 + 7 + 8 + 1


@pytest.mark.parametrize("field", FETCHED.values(), ids=FETCHED)
@given(data=st.data())
def test_arguments_are_converted_as_strawberry_converts_them(
    field: GraphQLField, data: st.DataObject
) -> None:
    """Names, input objects, lists, enums, and null, whether or not an argument is given."""
    required = {name for name, each in field.args.items() if is_required_argument(each)}
    types = {name: each.type for name, each in field.args.items()}
    arguments = data.draw(dictionaries(types, required))
    definition = definition_of(field)

    expected = convert_arguments(
        arguments,
        definition.arguments,
        schema.schema_converter.scalar_registry,
        schema.config,
    )
    assert arguments_converter(definition.arguments)(arguments) == expected


@pytest.mark.parametrize("field", FETCHED.values(), ids=FETCHED)
def test_defaults_are_converted_as_strawberry_converts_them(field: GraphQLField) -> None:
    """graphql-core passes the default of an input object as the values of its fields."""
    definition = definition_of(field)
    defaults = {
        name: each.default_value
        for name, each in field.args.items()
        if each.default_value is not Undefined
    }

    expected = convert_arguments(
        defaults,
        definition.arguments,
        schema.schema_converter.scalar_registry,
        schema.config,
    )
    assert arguments_converter(definition.arguments)(defaults) == expected
