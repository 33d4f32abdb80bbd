"""What a field costs: the `@cost` directive of the schema, and the table that follows from it."""

from typing import Final

import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description=(
        "How many SQL statements selecting this field adds to the request, at most, beside\n"
        "those that find out who asks. A request over the server's limit is refused before\n"
        "any of them runs."
    ),
)
class Cost:
    """The weight of one field."""

    weight: int


ONE_STATEMENT: Final = Cost(weight=1)


def costs_of(schema: GraphQLSchema) -> dict[str, int]:
    """Return what each field costs, by its name alone.

    A document is measured before it is known of which types its fields are: so all fields of one
    name cost the same.
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
