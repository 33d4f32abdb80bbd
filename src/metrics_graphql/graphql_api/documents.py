"""From a document, or its name, to the operation that is to run; what is wrong with it is told.

Each document is read once: parsed, measured against the budget, validated. What came of it is kept
under the SHA-256 of its text, which is also how "automatic persisted queries" name it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from operator import attrgetter
from typing import Final, NamedTuple

from cachetools import LRUCache
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

from metrics_graphql.errors import BadUserInput, QueryTooExpensive, UnknownPersistedQuery
from metrics_graphql.graphql_api.bodies import GraphQLRequest
from metrics_graphql.graphql_api.budget import Budget
from metrics_graphql.graphql_api.compiler import plan_of
from metrics_graphql.graphql_api.plans import Plan
from metrics_graphql.graphql_api.schema import COSTS, graphql_schema

MAX_KEPT: Final = 500_000
"""Characters of the documents that are kept; parsed, one takes some hundred times its text."""
MAX_PLANS: Final = 8
"""Operations of one document whose plans are kept."""
MAX_ERRORS: Final = 20
"""More of them help nobody, and each that suggests a name takes a millisecond to find."""


class InvalidDocument(Exception):
    """A document of which nothing can run; `errors` says why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document that is within the budget and valid against the schema."""

    ast: DocumentNode
    _plans: LRUCache[str | None, Plan | None] = field(default_factory=lambda: LRUCache(MAX_PLANS))

    def name(self, name: str | None) -> str:
        """Return the name of the operation that is to run; nothing if it has none."""
        operation = get_operation_ast(self.ast, name)
        return operation.name.value if operation and operation.name else ""

    def plan(self, name: str | None) -> Plan | None:
        """Return the plan of the operation that is to run; None where graphql-core is to run it.

        `name` may be left out if there is one operation.

        Raises:
            InvalidDocument: there is no such operation, or it is not a query.
        """
        if name not in self._plans:
            try:
                self._plans[name] = plan_of(self.ast, chosen(self.ast, name))
            except GraphQLError as error:
                raise InvalidDocument([error]) from None
        return self._plans[name]


class Kept(NamedTuple):
    """What came of reading a document, and how long its text was."""

    outcome: Document | InvalidDocument | QueryTooExpensive
    characters: int


class Documents:
    """Reads documents, up to a budget. Errors suggest names of the schema only if they may.

    With `trusted_only`, no others run than those of the manifest.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        suggestions: bool,
        trusted: Mapping[str, str] | None = None,
        trusted_only: bool = False,
    ) -> None:
        """Read the trusted documents.

        Raises:
            ValueError: naming one that can't run.
        """
        self._budget = budget
        self.hide_suggestions = not suggestions
        self._kept: LRUCache[bytes, Kept] = LRUCache(MAX_KEPT, getsizeof=attrgetter("characters"))
        self._by_id: dict[str, Document] = {}
        self._by_sha256: dict[bytes, Document] = {}
        for document_id, text in (trusted or {}).items():
            try:
                document = self._read(text)
            except (InvalidDocument, QueryTooExpensive) as error:
                raise ValueError(f"the trusted document {document_id} can't run: {error}") from None
            self._by_id[document_id] = document
            self._by_sha256[sha256(text.encode()).digest()] = document
        self._trusted_only = trusted_only

    def find(self, asked: GraphQLRequest) -> Document:
        """Return the document that a request brings or names.

        Raises:
            InvalidDocument: the document can't be parsed, or is not valid against the schema.
            QueryTooExpensive: the document exceeds the budget.
            BadUserInput: it is not the one that its hash says, it is no trusted one, or there is
                none of this id.
            UnknownPersistedQuery: no document with this hash is known, yet or any more.
        """
        if asked.document_id is not None:
            return self._trusted(asked.document_id)
        key = asked.sha256 or b""
        if asked.query is not None:
            key = sha256(asked.query.encode()).digest()
            if asked.sha256 not in {None, key}:
                raise BadUserInput("sha256Hash", "is not the hash of the query")
        if document := self._by_sha256.get(key):
            return document
        if self._trusted_only:
            raise BadUserInput(
                "query", "is not one of the trusted documents, and only they run here"
            )
        kept = self._kept.get(key)
        if kept is None:
            if asked.query is None:
                raise UnknownPersistedQuery
            kept = self._kept[key] = self._read_once(asked.query)
        if isinstance(kept.outcome, Exception):
            raise kept.outcome.with_traceback(None)
        return kept.outcome

    def _trusted(self, document_id: str) -> Document:
        document = self._by_id.get(document_id) or self._by_id.get(document_id.partition(":")[2])
        if document is None:
            raise BadUserInput("documentId", "names no trusted document")
        return document

    def _read_once(self, text: str) -> Kept:
        try:
            return Kept(self._read(text), len(text))
        except (InvalidDocument, QueryTooExpensive) as error:
            return Kept(error, len(text))

    def _read(self, text: str) -> Document:
        try:
            document = self._parse(text)
            self._budget.check(document, COSTS)
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
        return Document(document)

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
