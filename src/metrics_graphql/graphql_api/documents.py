"""From the text of a document to the operation that is to run; what is wrong with it is told."""

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
    validate,
)

from metrics_graphql.graphql_api.schema import graphql_schema


class InvalidDocument(Exception):
    """A document of which nothing can run; `errors` says why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Operation:
    """A query that is valid against the schema, and the document that it is part of."""

    document: DocumentNode
    node: OperationDefinitionNode


def read_operation(text: str, name: str | None) -> Operation:
    """Return the operation of a document that is to run; `name` may be left out if there is one.

    Raises:
        InvalidDocument: the document can't be parsed, is not valid against the schema, or does not
            say which query is to run.
    """
    try:
        document = parse(text)
        operation = Operation(document, chosen(document, name))
        errors = validate(graphql_schema, document)
    except GraphQLError as error:
        raise InvalidDocument([error]) from None
    except RecursionError:
        raise InvalidDocument([GraphQLError("The document is nested too deep.")]) from None
    if errors:
        raise InvalidDocument(errors)
    return operation


def chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation that is to run.

    Raises:
        GraphQLError: there is no such operation, or it is not a query.
    """
    operation = get_operation_ast(document, name)
    if operation is None and name is None:
        raise GraphQLError("There must be one operation, or `operationName` must say which to run.")
    if operation is None:
        raise GraphQLError(f"There is no operation {name!r}, which `operationName` asks for.")
    if operation.operation is not OperationType.QUERY:
        kind = operation.operation.value
        raise GraphQLError(f"Only queries can be run here, no {kind}s.", operation)
    return operation
