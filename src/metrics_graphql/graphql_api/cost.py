"""The cost of fields: the `@cost` directive of the schema, and the cost of each field by name."""

from typing import Final

import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description=(
        "How many SQL statements selecting this field adds to the request, at most. Those\n"
        "that authenticate the caller are not counted. A request over the server's limit is\n"
        "refused before any of them runs."
    ),
)
class Cost:
    """The weight of one field."""

    weight: int


ONE_STATEMENT: Final = Cost(weight=1)


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
