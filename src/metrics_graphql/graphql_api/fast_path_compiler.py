"""Compiles an operation for the fast path, deriving everything from the Strawberry definitions.

An object becomes a JSON text with a placeholder for each field, and a function for each
placeholder that reads the value off an object of the schema's types. How a value is read comes
from the field's definition (an attribute or a synchronous resolver), how it is written from the
schema's type and its nullability. So a new field needs no second line here.
"""

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any, Final, cast

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry.types.field import StrawberryField

from metrics_graphql.graphql_api.aggregates import MEASURE, MEMBER_MEASURES
from metrics_graphql.graphql_api.argument_converters import arguments_converter
from metrics_graphql.graphql_api.document_limits import Fragments
from metrics_graphql.graphql_api.fast_path import CompiledFetch, CompiledOperation
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC
from metrics_graphql.graphql_api.json_template import ObjectTemplate, TemplateBuilder, Writer
from metrics_graphql.graphql_api.lookahead import look_ahead
from metrics_graphql.graphql_api.schema import graphql_schema

Reader = Callable[[Any], Any]
"""Reads a field off an object."""


class UnsupportedSelection(Exception):
    """A selection that is not compiled: graphql-core executes the operation."""


def compile_operation(
    operation: OperationDefinitionNode,
    fragments: Fragments,
    variable_values: VariableValues,
    schema: GraphQLSchema = graphql_schema,
) -> CompiledOperation:
    """Compile a valid operation, with `@skip` and `@include` decided by the variables.

    Raises:
        UnsupportedSelection: it has directives of its own, introspects the schema, or selects a
            field that takes arguments or is asynchronous and has no `FetchSpec`.
    """
    if operation.directives:
        raise UnsupportedSelection
    compiler = SelectionCompiler(schema, operation, fragments, variable_values)
    try:
        return CompiledOperation(compiler.query_template())
    except GraphQLError:
        # A condition that has no value. graphql-core reports it.
        raise UnsupportedSelection from None


class SelectionCompiler:
    """Compiles the selections of one operation.

    Fields are collected by graphql-core, so fragments, aliases and conditions mean what they mean
    there.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Fragments,
        variable_values: VariableValues,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = fragments
        self._fragment_details = {name: FragmentDetails(each) for name, each in fragments.items()}
        self._variable_values = variable_values

    def query_template(self) -> ObjectTemplate:
        """Return the template of the root.

        Raises:
            UnsupportedSelection: a field cannot be compiled.
        """
        query_type = cast("GraphQLObjectType", self._schema.query_type)
        collected = collect_fields(
            self._schema, self._fragment_details, self._variable_values, query_type, self._operation
        )
        return self.object_template(query_type, collected.grouped_field_set)

    def subfields(
        self, object_type: GraphQLObjectType, details: FieldDetailsList
    ) -> GroupedFieldSet:
        """Return the fields selected below some fields, by response key."""
        return collect_subfields(
            self._schema,
            self._fragment_details,
            self._variable_values,
            self._operation,
            object_type,
            details,
        ).grouped_field_set

    def object_template(
        self, object_type: GraphQLObjectType, fields: GroupedFieldSet
    ) -> ObjectTemplate:
        """Return the template of an object with these fields.

        Raises:
            UnsupportedSelection: a field cannot be compiled.
        """
        return self.template_builder(object_type, fields).build()

    def template_builder(
        self, object_type: GraphQLObjectType, fields: GroupedFieldSet
    ) -> TemplateBuilder:
        """Return what builds the template of an object with these fields.

        Raises:
            UnsupportedSelection: a field cannot be compiled.
        """
        builder = TemplateBuilder()
        for key, details in fields.items():
            name = details[0].node.name.value
            field = object_type.fields.get(name)
            if name == "__typename":
                builder.add_text(key, f'"{object_type.name}"')
            elif field is None:
                raise UnsupportedSelection  # __schema and __type
            elif measure := metadata(field).get(MEASURE):
                builder.add_measure(key, measure.name)
            elif members := metadata(field).get(MEMBER_MEASURES):
                counts_type = cast("GraphQLObjectType", get_named_type(field.type))
                subfields = self.subfields(counts_type, details)
                builder.add_members(key, counts_type, subfields, members)
            elif fetch := self.fetch(key, field, details):
                builder.fetches.append(fetch)
                builder.add_slot(key, builder.fetches)
            else:
                self.add_value(builder, key, field, details)
        return builder

    def add_value(
        self, builder: TemplateBuilder, key: str, field: GraphQLField, details: FieldDetailsList
    ) -> None:
        """Add a field whose value is read off the object.

        Raises:
            UnsupportedSelection: it cannot be compiled.
        """
        read = field_reader(field)
        is_attribute = definition_of(field).base_resolver is None
        object_type = field.type.of_type if isinstance(field.type, GraphQLNonNull) else None
        if is_attribute and isinstance(object_type, GraphQLObjectType):
            inner = self.template_builder(object_type, self.subfields(object_type, details))
            if not inner.measures and not inner.fetches:
                builder.add_object(key, read, inner)
                return
        builder.writers.append(self.value_writer(field.type, read, details))
        builder.add_slot(key, builder.writers)

    def fetch(
        self, key: str, field: GraphQLField, details: FieldDetailsList
    ) -> CompiledFetch | None:
        """Return a field that fetches; None if this one does not.

        Raises:
            UnsupportedSelection: a field below cannot be compiled.
        """
        spec_class = metadata(field).get(FETCH_SPEC)
        if spec_class is None:
            return None
        object_type = cast("GraphQLObjectType", get_named_type(field.type))
        nodes = [each.node for each in details]
        item = self.object_template(object_type, self.subfields(object_type, details))
        is_list = isinstance(get_nullable_type(field.type), GraphQLList)
        if is_list and item.fetches:
            raise UnsupportedSelection
        return CompiledFetch(
            key,
            nodes,
            field,
            arguments_converter(definition_of(field).arguments),
            spec_class,
            look_ahead(object_type, nodes, self._fragments),
            item,
            is_list,
        )

    def value_writer(
        self, output_type: GraphQLOutputType, read: Reader, details: FieldDetailsList
    ) -> Writer:
        """Return what reads a value and writes it as a type of the schema.

        Raises:
            UnsupportedSelection: a field below cannot be compiled.
        """
        if not isinstance(output_type, GraphQLNonNull):
            write = self.value_writer(GraphQLNonNull(output_type), itself, details)

            def write_nullable(parent: object) -> str:
                value = read(parent)
                return "null" if value is None else write(value)

            return write_nullable
        nullable_type = output_type.of_type
        if isinstance(nullable_type, GraphQLList):
            write_item = self.value_writer(nullable_type.of_type, itself, details)
            return lambda parent: f"[{','.join([write_item(each) for each in read(parent)])}]"
        if isinstance(nullable_type, GraphQLObjectType):
            template = self.object_template(nullable_type, self.subfields(nullable_type, details))
            if template.fetches:
                raise UnsupportedSelection
            return lambda parent: template.write(read(parent))
        if not isinstance(nullable_type, (GraphQLScalarType, GraphQLEnumType)):
            raise UnsupportedSelection
        return leaf_writer(nullable_type, read)


def definition_of(field: GraphQLField) -> StrawberryField:
    """Return the Strawberry definition of a field."""
    definition: StrawberryField = field.extensions["strawberry-definition"]
    return definition


def metadata(field: GraphQLField) -> Mapping[Any, Any]:
    """Return the metadata of a field's Strawberry definition."""
    return definition_of(field).metadata


def field_reader(field: GraphQLField) -> Reader:
    """Return what reads a field: its attribute, or its resolver if that needs nothing else.

    Raises:
        UnsupportedSelection: the resolver is asynchronous, takes arguments, or takes no object.
    """
    definition = definition_of(field)
    if definition.is_async or definition.arguments or definition.extensions:
        raise UnsupportedSelection
    resolver = definition.base_resolver
    if resolver is None:
        return attrgetter(definition.python_name)
    takes_object = resolver.self_parameter or resolver.parent_parameter or resolver.root_parameter
    if not takes_object or resolver.info_parameter:
        raise UnsupportedSelection
    return cast("Reader", resolver.wrapped_func)


def leaf_writer(leaf_type: GraphQLLeafType, read: Reader) -> Writer:
    """Return what reads a scalar or an enum and writes it as graphql-core does."""
    coerce = leaf_type.coerce_output_value
    encode = ENCODERS.get(leaf_type.name, ENCODE_JSON)
    return lambda parent: encode(coerce(read(parent)))


ENCODE_JSON: Final = json.JSONEncoder(ensure_ascii=False).encode
"""Writes JSON as the responses of graphql-core are written."""
ENCODERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "Float": repr,
    "ID": encode_basestring,
    "Int": repr,
    "String": encode_basestring,
}
"""Faster ways to the same JSON, by the name of the scalar."""


def itself(value: Any) -> Any:  # noqa: ANN401 - any value
    """Return a value: it is read already."""
    return value
