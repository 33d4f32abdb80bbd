"""Random requests: never a 5xx, never a hang, and errors in the shape of their API.

`scripts/fuzz` sends many more of each kind.
"""

import asyncio
import json
import os
from collections.abc import Generator
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries

from tests import strategies
from tests.conftest import Gateway
from tests.graphql_api.test_schema import PRINTED

TIMEOUT: Final = 20
"""Seconds; far more than any response takes."""
CODES: Final = {
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "BAD_USER_INPUT",
    "TOO_MANY_BUCKETS",
    "QUERY_TOO_EXPENSIVE",
}
JSON_TYPE: Final = (b"content-type", b"application/json")
REST: Final = "/v3/organizations/org-1/metrics/sessions"

fuzzed = settings(max_examples=int(os.environ.get("METRICS_TEST_EXAMPLES", "80")))

header_names = st.sampled_from(
    [b"accept", b"content-type", b"authorization", b"host", b"origin", b"content-length",
     b"if-none-match", b"transfer-encoding", b"x-request-id", b"cookie"]
)  # fmt: skip
headers = st.lists(st.tuples(header_names | st.binary(min_size=1), st.binary()), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
words = st.sampled_from(
    [*'{}()[]:!=$@|&"#,', "...", '"""', "query", "fragment", "on", "F", "Query", "viewer", "id",
     "sessionMetrics", "orgId", '"org-1"', "filters", "timeAfter", "timeBefore", "0", "-1", "1e9",
     "sessionsCreatedCount", "@skip", "if", "true", "null", '"\\ud800"', "\ufeff", "é", "\0", " "]
)  # fmt: skip
ascii_bytes = st.text(st.characters(max_codepoint=127), max_size=200).map(str.encode)
"""Query strings that HTTP servers accept."""
instants = st.integers() | st.integers(0, 2 * 10**9) | st.text(max_size=8)
parameters = st.fixed_dictionaries(
    {},
    optional={
        "time_after": instants,
        "time_before": instants,
        "user_ids": st.lists(st.text(max_size=8), max_size=3),
        "service_user_ids": st.text(max_size=8),
        "playbook_id": st.text(max_size=8),
        "other": st.text(max_size=8),
    },
)
bodies = st.binary(max_size=2_000)
requests = (
    st.fixed_dictionaries(
        {"query": st.lists(words, max_size=40).map(" ".join) | json_values},
        optional={
            "variables": json_values,
            "operationName": json_values,
            "extensions": json_values,
        },
    )
    | json_values
)
documents = queries(
    PRINTED, custom_scalars={"DateTime": st.integers(0, 10**9).map(strategies.literal)}
)


class Fuzzer:
    """Sends requests below the level of an HTTP client, and checks the responses."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._authorization = (b"authorization", f"Bearer {gateway.token('org-1')}".encode())

    def send(
        self,
        method: str,
        path: str,
        query: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        body: bytes = b"",
    ) -> None:
        """Send a request with a valid token."""
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": query,
            "headers": [self._authorization, *headers],
            "server": ("gateway", 80),
            "client": ("127.0.0.1", 1),
        }
        status, content = self._gateway.run(self._respond(scope, body))
        assert status < 500, content
        if path.startswith("/v3") and status >= 400:
            assert json.loads(content).keys() == {"detail"}
        elif path == "/graphql" and not content.startswith(b"<!"):
            parsed = json.loads(content)
            assert parsed.keys() <= {"data", "errors"}
            for error in parsed.get("errors", ()):
                assert error["extensions"]["code"] in CODES

    async def _respond(self, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
        parts = [body[: len(body) // 2], body[len(body) // 2 :]]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0) if parts else b""
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def record(message: Any) -> None:  # noqa: ANN401 - ASGI's own
            sent.append(message)

        async with asyncio.timeout(TIMEOUT):
            await self._gateway.app(scope, receive, record)
        return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


@pytest.fixture
def fuzzer(gateway: Gateway) -> Generator[Fuzzer]:
    """Return a fuzzer of a gateway with one session, and without a rate limit."""
    gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1}])
    with gateway.configured(rate_limit="none") as unlimited:
        yield Fuzzer(unlimited)


@fuzzed
@given(body=bodies, headers=headers)
def test_any_body(fuzzer: Fuzzer, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """With any headers, and with the content type of JSON."""
    fuzzer.send("POST", "/graphql", headers=tuple(headers), body=body)
    fuzzer.send("POST", "/graphql", headers=(JSON_TYPE,), body=body)


@fuzzed
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE", "é"]),
    path=st.sampled_from(["/graphql", "/graphql/", REST, f"{REST}/", "/openapi.json", "/livez"])
    | st.text().map("/{}".format)
    | st.text().map("/v3/organizations/{}/metrics/sessions".format),
    query=ascii_bytes | parameters.map(lambda given: urlencode(given, doseq=True).encode()),
    headers=headers,
)
def test_any_method_path_and_query_string(
    fuzzer: Fuzzer, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """With any headers."""
    fuzzer.send(method, path, query, tuple(headers))


@fuzzed
@given(given_parameters=parameters)
def test_any_parameters_of_the_rest_api(fuzzer: Fuzzer, given_parameters: dict[str, Any]) -> None:
    """Numbers of any size, and texts instead of numbers."""
    fuzzer.send("GET", REST, urlencode(given_parameters, doseq=True).encode())


@fuzzed
@given(request=requests)
def test_any_json_and_any_tokens_of_graphql(fuzzer: Fuzzer, request: object) -> None:
    """By POST and, if it is an object, by GET."""
    fuzzer.send("POST", "/graphql", headers=(JSON_TYPE,), body=json.dumps(request).encode())
    if isinstance(request, dict):
        texts = {str(name): json.dumps(value) for name, value in request.items()}
        fuzzer.send("GET", "/graphql", urlencode(texts, errors="replace").encode())


@fuzzed
@given(query=documents)
def test_any_document_that_is_valid_in_the_schema(fuzzer: Fuzzer, query: str) -> None:
    """With any arguments."""
    fuzzer.send(
        "POST", "/graphql", headers=(JSON_TYPE,), body=json.dumps({"query": query}).encode()
    )
