"""From the text of a document to the operation that is to run; what is wrong with it is told."""

from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
    validate,
)

from metrics_graphql.errors import QueryTooExpensive
from metrics_graphql.graphql_api.budget import Budget
from metrics_graphql.graphql_api.schema import COSTS, graphql_schema

MAX_ERRORS: Final = 20
"""More of them help nobody, and each that suggests a name takes a millisecond to find."""


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


class Documents:
    """Reads documents, up to a budget. Errors suggest names of the schema only if they may."""

    def __init__(self, budget: Budget, *, suggestions: bool) -> None:
        self._budget = budget
        self.hide_suggestions = not suggestions

    def read_operation(self, text: str, name: str | None) -> Operation:
        """Return the operation of a document that is to run; `name` may be left out if it is one.

        Raises:
            InvalidDocument: the document can't be parsed, is not valid against the schema, or does
                not say which query is to run.
            QueryTooExpensive: the document exceeds the budget.
        """
        try:
            document = self._parse(text)
            self._budget.check(document, COSTS)
            operation = Operation(document, chosen(document, name))
            errors = validate(
                graphql_schema,
                document,
                max_errors=MAX_ERRORS,
                hide_suggestions=self.hide_suggestions,
            )
        except GraphQLError as error:
            raise InvalidDocument([error]) from None
        except RecursionError:
            raise InvalidDocument([GraphQLError("The document is nested too deep.")]) from None
        if errors:
            raise InvalidDocument(errors)
        return operation

    def _parse(self, text: str) -> DocumentNode:
        most = self._budget.tokens
        try:
            return parse(text, max_lexical_tokens=most, max_comments=most)
        except GraphQLSyntaxError as error:
            if error.description.startswith("Document contains more than"):
                # Parsing stops there: how many there are is not known.
                raise QueryTooExpensive("tokens", most + 1, most) from None
            raise


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
