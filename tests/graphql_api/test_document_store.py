"""The document store: documents are parsed once, and found by their hash or their id."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse

from metrics_graphql.graphql_api import document_store
from metrics_graphql.graphql_api.document_limits import DocumentLimits
from metrics_graphql.graphql_api.document_store import Document, DocumentStore
from metrics_graphql.graphql_api.errors import InvalidDocument, QueryTooExpensive
from metrics_graphql.graphql_api.request import GraphQLRequest
from metrics_graphql.settings import Settings
from metrics_graphql.web import pages
from tests.conftest import Gateway, needs_pages, only_sqlite

pytestmark = only_sqlite

QUERY = "query Who { viewer { __typename } }"
HASH = sha256(QUERY.encode()).hexdigest()
RESPONSE = {"data": {"viewer": {"__typename": "Viewer"}}}


def persisted(sha256_hash: Any = HASH, version: Any = 1, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return a request that names a document by its hash."""
    named = {"version": version, "sha256Hash": sha256_hash}
    return {"extensions": {"persistedQuery": named}, **body}


def post(gateway: Gateway, body: dict[str, Any]) -> httpx.Response:
    """Send a request with a valid token."""
    return gateway.request("POST", "/graphql", gateway.token("org-1"), json=body)


def test_a_document_is_parsed_once(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever caller sends it, and whether or not it is valid."""
    parsed: list[str] = []

    def recording(text: str, **options: Any) -> Any:  # noqa: ANN401 - passed on
        parsed.append(text)
        return parse(text, **options)

    monkeypatch.setattr(document_store, "parse", recording)
    for _ in range(3):
        assert post(gateway, {"query": QUERY}).json() == RESPONSE
        assert "errors" in post(gateway, {"query": "{ nothing }"}).json()
        assert "errors" in post(gateway, {"query": "{"}).json()

    assert sorted(parsed) == sorted([QUERY, "{ nothing }", "{"])


def test_a_cached_document_is_found_by_its_hash(gateway: Gateway) -> None:
    """Clients of "automatic persisted queries" send the hash first, and then both."""
    unknown = post(gateway, persisted())
    both = post(gateway, persisted(query=QUERY))
    by_hash = post(gateway, persisted())
    extensions = json.dumps(persisted()["extensions"])
    by_get = gateway.request(
        "GET", "/graphql", gateway.token("org-1"), params={"extensions": extensions}
    )

    (error,) = unknown.json()["errors"]
    assert error == {
        "message": "PersistedQueryNotFound",
        "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
    }
    assert both.json() == by_hash.json() == by_get.json() == RESPONSE


def test_a_hash_of_another_document_is_refused(gateway: Gateway) -> None:
    """Otherwise one client could replace the document of another."""
    response = post(gateway, persisted(query="{ __typename }"))

    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "sha256Hash"}
    assert post(gateway, persisted()).json()["errors"][0]["message"] == "PersistedQueryNotFound"


@pytest.mark.parametrize(
    "body",
    [
        persisted(version=2),
        persisted(version=None),
        persisted(sha256_hash="abc"),
        persisted(sha256_hash=7),
        persisted(sha256_hash=HASH + "0"),
        {"extensions": {"persistedQuery": HASH}},
        {"documentId": 7},
        {"documentId": ""},
        persisted(query=""),
        persisted(query=7),
    ],
)
def test_a_request_that_names_no_document_is_refused(
    gateway: Gateway, body: dict[str, Any]
) -> None:
    """With the status 400."""
    response = post(gateway, body)

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest with one trusted document, as graphql-codegen writes it."""
    path = tmp_path / "persisted-documents.json"
    path.write_text(json.dumps({"0a1b": QUERY}))
    return path


def test_a_trusted_document_is_found_by_its_id(gateway: Gateway, manifest: Path) -> None:
    """By POST and GET, with or without the algorithm of its hash as a prefix."""
    with gateway.configured(trusted_documents=manifest) as trusting:
        token = trusting.token("org-1")
        by_id = post(trusting, {"documentId": "0a1b"})
        prefixed = post(trusting, {"documentId": "sha256:0a1b"})
        by_get = trusting.request("GET", "/graphql", token, params={"documentId": "0a1b"})
        unknown = post(trusting, {"documentId": "ffff"})
        other = post(trusting, {"query": "{ __typename }"})

    assert by_id.json() == prefixed.json() == by_get.json() == RESPONSE
    (error,) = unknown.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "documentId"}
    assert other.json() == {"data": {"__typename": "Query"}}


def test_other_documents_can_be_rejected(gateway: Gateway, manifest: Path) -> None:
    """A trusted document is executed also if its text or its hash is sent."""
    with gateway.configured(trusted_documents=manifest, trusted_documents_only=True) as trusting:
        by_text = post(trusting, {"query": QUERY})
        by_hash = post(trusting, persisted())
        other = post(trusting, {"query": "{ __typename }"})
        introspection = post(trusting, {"query": "{ __schema { queryType { name } } }"})

    assert by_text.json() == by_hash.json() == RESPONSE
    for refused in (other, introspection):
        (error,) = refused.json()["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "query"}


FILTERS = {"timeAfter": "2025-01-01T00:00:00Z", "timeBefore": "2025-01-03T00:00:00Z"}
VIEW = {
    "org": "org-1",
    **dict.fromkeys(("filters", "previous", "earlier"), FILTERS),
    "interval": "HOUR",
    "timeZone": "Asia/Tokyo",
    "first": 10,
    "order": {"field": "PRS_MERGED_COUNT", "direction": "DESC"},
    "kind": "USER",
    "search": "",
}
"""Variables of the documents of the pages. A server ignores those that a document lacks."""


@needs_pages
@pytest.mark.parametrize("with_manifest", [False, True])
def test_the_documents_of_the_pages_are_trusted(
    gateway: Gateway, manifest: Path, *, with_manifest: bool
) -> None:
    """By their text, as the pages send them, whether or not there is a manifest.

    Documents of the enterprise have the names of those of an organization.
    """
    settings = {"trusted_documents": manifest if with_manifest else None}
    documents = pages.documents()
    with gateway.configured(trusted_documents_only=True, **settings) as trusting:
        gateway.load([{"org_id": "org-1", "session_id": "s", "created_at": 1_735_700_000}])
        token = trusting.token()
        responses = {
            (text.partition("(")[0], "enterprise" in text): trusting.graphql(
                text, token, VIEW
            ).json()
            for text in documents
        }
        changed = post(trusting, {"query": f"{documents[0]} ", "variables": VIEW}).json()
        own = post(trusting, {"query": QUERY}).json()

    names = {name for name, _ in responses}
    assert {"query Dashboard", "query OverTime", "query Users", "query Organizations"} < names
    assert [each for each in responses.values() if "errors" in each] == []
    dashboard = responses["query Dashboard", False]["data"]["metrics"]
    assert len(dashboard["timeSeries"]) == 48
    assert changed["errors"][0]["extensions"]["argument"] == "query"
    assert ("data" in own) is with_manifest


def test_a_document_of_the_pages_may_exceed_a_limit() -> None:
    """The server starts, and the page gets the error. A trusted document is an error at start."""
    limits = DocumentLimits.from_settings(Settings(max_fields=1))
    fine, large = "{ __typename }", "{ viewer { __typename } }"
    store = DocumentStore(limits, trusted_only=True, page_documents=[fine, large, "{ nothing }"])

    assert isinstance(store.resolve(GraphQLRequest(fine, {}, None)), Document)
    with pytest.raises(QueryTooExpensive):
        store.resolve(GraphQLRequest(large, {}, None))
    with pytest.raises(InvalidDocument):
        store.resolve(GraphQLRequest("{ nothing }", {}, None))
    with pytest.raises(ValueError, match="own cannot be executed"):
        DocumentStore(limits, trusted={"own": large}, trusted_only=True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "cannot be read"),
        ("[]", "must be a JSON object"),
        ('{"a": 1}', "must be a JSON object"),
        ("{", "cannot be read"),
        ('{"bad": "{ nothing }"}', "bad cannot be executed"),
        ('{"bad": "{"}', "bad cannot be executed"),
    ],
)
def test_an_invalid_manifest_is_refused_at_startup(
    gateway: Gateway, tmp_path: Path, text: str | None, named: str
) -> None:
    """The error says what is wrong with it."""
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(ValueError, match=named), gateway.configured(trusted_documents=path):
        pass


def test_the_operations_of_a_document_are_cached() -> None:
    """Each is the same object however often it is executed."""
    document = Document(parse("query A { __typename } query B { viewer { id } }"))

    assert document.operation("A") is document.operation("A")
    assert document.operation("A") is not document.operation("B")
    assert [document.operation(name).name for name in "AB"] == ["A", "B"]


@pytest.mark.parametrize("name", [None, "C"])
def test_a_document_has_no_other_operation(name: str | None) -> None:
    """Without a name there must be one operation."""
    document = Document(parse("query A { __typename } query B { viewer { id } }"))

    with pytest.raises(InvalidDocument, match="operationName"):
        document.operation(name)
