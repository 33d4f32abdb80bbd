"""Executes a request on the fast path and on graphql-core, to compare the responses."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import pytest

from metrics_graphql.graphql_api.document_store import Operation
from metrics_graphql.graphql_api.fast_path import CompiledOperation, ExecutionResult
from tests.conftest import Gateway

DATA: Final = '{"data":'
ERROR_ID: Final = re.compile(r"\b[0-9a-f]{16}\b")
"""The id of a masked error, which is random."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response of one way of execution: its text, as it was sent."""

    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The parsed response."""
        body: dict[str, Any] = json.loads(self.text)
        return body

    @property
    def data(self) -> str | None:
        """The JSON of `data` as it was sent; None if the response has no data."""
        if not self.text.startswith(DATA):
            return None
        _, end = json.JSONDecoder().raw_decode(self.text, len(DATA))
        return self.text[len(DATA) : end]

    @property
    def errors(self) -> list[str]:
        """The errors in the order of their paths, with the ids of masked ones removed."""
        errors = sorted(self.body.get("errors", ()), key=lambda error: str(error.get("path")))
        return [ERROR_ID.sub("…", json.dumps(error)) for error in errors]


@dataclass(frozen=True, slots=True)
class Responses:
    """The responses of both ways of execution."""

    fast_path: Response
    graphql_core: Response
    is_compiled: bool
    """Whether the operation was executed on the fast path in the first of the two."""

    def check_equal(self) -> None:
        """Check that `data` is equal byte for byte, and that the errors are equal."""
        assert self.fast_path.data == self.graphql_core.data
        assert self.fast_path.errors == self.graphql_core.errors


class BothWays:
    """Executes requests of one caller in both ways, on a gateway that caches no responses."""

    def __init__(self, gateway: Gateway, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gateway = gateway
        self._token = token
        self._monkeypatch = monkeypatch

    def execute(self, query: str, variables: dict[str, Any] | None = None) -> Responses:
        """Return the responses of both ways."""
        executions = 0
        execute = CompiledOperation.execute

        async def counted(operation: CompiledOperation, *arguments: Any) -> ExecutionResult:  # noqa: ANN401 - passed on
            nonlocal executions
            executions += 1
            return await execute(operation, *arguments)

        with self._monkeypatch.context() as patch:
            patch.setattr(CompiledOperation, "execute", counted)
            fast_path = self._response(query, variables)
            is_compiled = executions == 1
            patch.setattr(Operation, "compiled", lambda *_: None)
            graphql_core = self._response(query, variables)
        assert executions == is_compiled
        return Responses(fast_path, graphql_core, is_compiled)

    def _response(self, query: str, variables: dict[str, Any] | None) -> Response:
        response = self._gateway.graphql(query, self._token, variables)
        assert response.status_code == 200
        return Response(response.text)
