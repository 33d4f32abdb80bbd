"""Document store: parses, limits and validates each document once, and finds it by id or hash.

Results, errors included, are cached by the document's SHA-256, which is also how automatic
persisted queries name it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple, Self

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
from graphql.execution.values import VariableValues

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.graphql_api.document_limits import DocumentLimits, Fragments, fragments_of
from metrics_graphql.graphql_api.errors import (
    InvalidDocument,
    PersistedQueryNotFound,
    QueryTooExpensive,
)
from metrics_graphql.graphql_api.fast_path import CompiledOperation
from metrics_graphql.graphql_api.fast_path_compiler import (
    UnsupportedSelection,
    compile_operation,
)
from metrics_graphql.graphql_api.lookahead import condition_variables
from metrics_graphql.graphql_api.request import GraphQLRequest
from metrics_graphql.graphql_api.schema import COSTS, graphql_schema
from metrics_graphql.settings import Settings

MAX_CHARACTERS: Final = 500_000
"""Characters of the cached documents. Parsed, one takes about 100 times the memory of its text."""
MAX_COMPILED: Final = 8
"""Compiled forms that are cached of one operation: one for each outcome of its conditions."""
MAX_OPERATIONS: Final = 8
"""Operations of one document that are cached."""
MAX_ERRORS: Final = 20
"""Validation errors of a document. Each that suggests a name takes a millisecond to find."""


@dataclass(slots=True, eq=False)
class Operation:
    """An operation of a valid document, and its compiled forms."""

    ast: OperationDefinitionNode
    fragments: Fragments
    conditions: tuple[str, ...]
    """The variables that decide `@skip` and `@include`."""
    _compiled: LRUCache[tuple[object, ...], CompiledOperation | None] = field(
        default_factory=lambda: LRUCache(MAX_COMPILED)
    )

    @property
    def name(self) -> str:
        """The operation's name; empty if it has none."""
        return self.ast.name.value if self.ast.name else ""

    def compiled(self, variables: VariableValues) -> CompiledOperation | None:
        """Return the compiled operation; None if its selection is not supported."""
        key = tuple([variables.coerced.get(name) for name in self.conditions])
        if key not in self._compiled:
            try:
                self._compiled[key] = compile_operation(self.ast, self.fragments, variables)
            except UnsupportedSelection:
                self._compiled[key] = None
        return self._compiled[key]


class Document:
    """A document that is within the limits and valid."""

    def __init__(self, ast: DocumentNode) -> None:
        self.ast = ast
        self._operations: LRUCache[str | None, Operation] = LRUCache(MAX_OPERATIONS)

    @cached_property
    def _fragments(self) -> Fragments:
        return fragments_of(self.ast)

    def operation(self, name: str | None) -> Operation:
        """Return an operation; without a name, the only one.

        Raises:
            InvalidDocument: there is no such operation, or it is not a query.
        """
        operation = self._operations.get(name)
        if operation is None:
            try:
                ast = select_operation(self.ast, name)
            except GraphQLError as error:
                raise InvalidDocument([error]) from None
            conditions = condition_variables(ast, self._fragments)
            operation = self._operations[name] = Operation(ast, self._fragments, conditions)
        return operation


Result = Document | InvalidDocument | QueryTooExpensive
"""A document or its error."""


class StoredDocument(NamedTuple):
    """A document or its error, and the length of its text."""

    result: Result
    characters: int


class DocumentStore:
    """The trusted documents, and a cache of all others."""

    def __init__(
        self,
        limits: DocumentLimits,
        *,
        suggestions: bool = True,
        trusted: Mapping[str, str] | None = None,
        trusted_only: bool = False,
        page_documents: Sequence[str] = (),
    ) -> None:
        """Validate the trusted documents, by id.

        With `trusted_only`, only these and the documents of the pages are executed. The latter
        have no ids, so that every id is the operator's, and may exceed a limit.

        Without `suggestions`, validation errors do not suggest names of the schema.

        Raises:
            ValueError: naming a trusted document that cannot be executed.
        """
        self._limits = limits
        self.hide_suggestions = not suggestions
        self._cache: LRUCache[bytes, StoredDocument] = LRUCache(
            MAX_CHARACTERS, getsizeof=attrgetter("characters")
        )
        self._by_id: dict[str, Document] = {}
        self._by_hash: dict[bytes, Result] = {}
        if trusted_only:
            for text in page_documents:
                self._by_hash[sha256(text.encode()).digest()] = self._store(text).result
        for document_id, text in (trusted or {}).items():
            try:
                document = self._validate(text)
            except (InvalidDocument, QueryTooExpensive) as error:
                reason = " ".join(str(error).split())
                raise ValueError(
                    f"METRICS_TRUSTED_DOCUMENTS: {document_id} cannot be executed: {reason}"
                ) from None
            self._by_id[document_id] = document
            self._by_hash[sha256(text.encode()).digest()] = document
        self._trusted_only = trusted_only

    @classmethod
    def from_settings(cls, settings: Settings, page_documents: Sequence[str] = ()) -> Self:
        """Return the store that the settings describe.

        Raises:
            ValueError: the trusted documents cannot be read, or one cannot be executed.
        """
        return cls(
            DocumentLimits.from_settings(settings),
            suggestions=settings.suggestions,
            trusted=read_manifest(settings.trusted_documents),
            trusted_only=settings.trusted_documents_only,
            page_documents=page_documents,
        )

    def resolve(self, request: GraphQLRequest) -> Document:
        """Return the valid document that a request brings or names.

        Raises:
            InvalidDocument: it cannot be parsed, or is not valid.
            QueryTooExpensive: it exceeds a limit.
            BadUserInput: the hash does not match the query, or the document is not trusted.
            PersistedQueryNotFound: no document with this hash is cached.
        """
        if request.document_id is not None:
            return self._trusted(request.document_id)
        key = request.sha256 or b""
        if request.query is not None:
            key = sha256(request.query.encode()).digest()
            if request.sha256 not in {None, key}:
                raise BadUserInput(("sha256Hash",), "is not the hash of the query")
        result = self._by_hash.get(key) or self._cached(key, request.query)
        if isinstance(result, Exception):
            raise result.with_traceback(None)
        return result

    def _cached(self, key: bytes, text: str | None) -> Result:
        if self._trusted_only:
            raise BadUserInput(
                ("query",), "is not a trusted document, and no others are executed here"
            )
        stored = self._cache.get(key)
        if stored is None:
            if text is None:
                raise PersistedQueryNotFound
            stored = self._cache[key] = self._store(text)
        return stored.result

    def _trusted(self, document_id: str) -> Document:
        # Apollo prefixes ids with the algorithm of their hash.
        document = self._by_id.get(document_id) or self._by_id.get(document_id.partition(":")[2])
        if document is None:
            raise BadUserInput(("documentId",), "is not the id of a trusted document")
        return document

    def _store(self, text: str) -> StoredDocument:
        try:
            return StoredDocument(self._validate(text), len(text))
        except (InvalidDocument, QueryTooExpensive) as error:
            return StoredDocument(error, len(text))

    def _validate(self, text: str) -> Document:
        try:
            ast = self._parse(text)
            self._limits.check(ast, COSTS)
            errors = validate(
                graphql_schema,
                ast,
                max_errors=MAX_ERRORS,
                hide_suggestions=self.hide_suggestions,
            )
        except GraphQLError as error:
            raise InvalidDocument([error]) from None
        except RecursionError:
            raise InvalidDocument([GraphQLError("The document is nested too deep.")]) from None
        if errors:
            raise InvalidDocument(errors)
        return Document(ast)

    def _parse(self, text: str) -> DocumentNode:
        maximum = self._limits.tokens
        try:
            return parse(text, max_lexical_tokens=maximum, max_comments=maximum)
        except GraphQLSyntaxError as error:
            if error.description.startswith("Document contains more than"):
                # Parsing stops there, so the number of tokens is not known.
                raise QueryTooExpensive("tokens", maximum + 1, maximum) from None
            raise


def select_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation to execute.

    Raises:
        GraphQLError: there is no such operation, or it is not a query.
    """
    operation = get_operation_ast(document, name)
    if operation is None and name is None:
        raise GraphQLError("There must be one operation, or `operationName` must name one.")
    if operation is None:
        raise GraphQLError(f"There is no operation {name!r}, which `operationName` names.")
    if operation.operation is not OperationType.QUERY:
        kind = operation.operation.value
        raise GraphQLError(f"Only queries can be executed here, no {kind}s.", operation)
    return operation


def read_manifest(path: Path | None) -> dict[str, str]:
    """Return the trusted documents by id.

    Raises:
        ValueError: the file cannot be read, or is not a JSON object of strings.
    """
    if path is None:
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = f"{path}: {error.strerror}"
        raise ValueError(f"METRICS_TRUSTED_DOCUMENTS cannot be read: {reason}") from None
    except (ValueError, RecursionError) as error:
        reason = f"{path} is not JSON: {error}"
        raise ValueError(f"METRICS_TRUSTED_DOCUMENTS cannot be read: {reason}") from None
    if not isinstance(manifest, dict) or not all(
        isinstance(text, str) for text in manifest.values()
    ):
        raise ValueError(
            f"METRICS_TRUSTED_DOCUMENTS: {path} must be a JSON object of documents by id"
        )
    return manifest
