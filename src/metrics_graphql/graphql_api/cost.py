"""The cost of fields: the `@cost` directive of the schema, and the cost of each field by name."""

from typing import Final

import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description=(
        "The maximum number of SQL statements that this field adds to a request. Statements\n"
        "that read the caller or data versions are not counted. An operation over the\n"
        "server's limit is refused before it is executed."
    ),
)
class Cost:
    """The weight of one field."""

    weight: int


ONE_STATEMENT: Final = Cost(weight=1)
TWO_STATEMENTS: Final = Cost(weight=2)


def costs_of(schema: GraphQLSchema) -> dict[str, int]:
    """Return the cost of each field that has one, by its name.

    Documents are measured before validation, when the types of their fields are not known yet: so
    fields of the same name must cost the same.
    """
    return {
        name: directive.weight
        for kind in schema.type_map.values()
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType))
        for name, field in kind.fields.items()
        if (definition := (field.extensions or {}).get("strawberry-definition"))
        for directive in definition.directives
        if isinstance(directive, Cost)
    }
