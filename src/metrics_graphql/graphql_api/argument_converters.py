"""Converts arguments from graphql-core's values to Python's: names, and objects of input types.

Strawberry's own `convert_arguments` looks up names and types again for each request. Here they are
looked up once, when an operation is compiled: docs/decisions/0013 has the gain.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from strawberry import UNSET
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.field import StrawberryField

from metrics_graphql.graphql_api.schema import schema

Converter = Callable[[Any], Any]
"""Converts one value."""
ArgumentsConverter = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Converts the arguments of a field, or the fields of an input object, to keyword arguments."""


def arguments_converter(arguments: Iterable[StrawberryArgument]) -> ArgumentsConverter:
    """Return what converts the arguments of a field."""
    name_of = schema.config.name_converter.from_argument
    return keywords_converter(
        {name_of(each): (each.python_name, value_converter(each.type)) for each in arguments}
    )


def keywords_converter(names: Mapping[str, tuple[str, Converter | None]]) -> ArgumentsConverter:
    """Return what renames values by their GraphQL names, and converts them."""

    def convert(values: Mapping[str, Any]) -> dict[str, Any]:
        keywords = {}
        for name, value in values.items():
            python_name, converter = names[name]
            is_given = converter is not None and value is not None and value is not UNSET
            keywords[python_name] = converter(value) if converter and is_given else value
        return keywords

    return convert


def value_converter(type_: object) -> Converter | None:
    """Return what converts values of a type that are given; None if they stay as they are."""
    if isinstance(type_, StrawberryOptional):
        return value_converter(type_.of_type)
    if isinstance(type_, StrawberryList):
        convert_item = value_converter(type_.of_type)
        return None if convert_item is None else lambda items: [convert_item(i) for i in items]
    if not has_object_definition(type_):
        return None  # graphql-core has parsed scalars and enums.
    fields: list[StrawberryField] = type_.__strawberry_definition__.fields
    name_of = schema.config.name_converter.from_field
    convert = keywords_converter(
        {name_of(each): (each.python_name, value_converter(each.type)) for each in fields}
    )
    return lambda value: type_(**convert(value))
