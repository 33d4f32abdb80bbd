"""Documents: read once, and asked for by their hash or their id."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_graphql.graphql_api import documents
from tests.conftest import Gateway

QUERY = "query Who { viewer { __typename } }"
HASH = sha256(QUERY.encode()).hexdigest()
ANSWER = {"data": {"viewer": {"__typename": "Viewer"}}}


def persisted(sha256_hash: Any = HASH, version: Any = 1, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return a request that names a document by its hash."""
    named = {"version": version, "sha256Hash": sha256_hash}
    return {"extensions": {"persistedQuery": named}, **body}


def post(gateway: Gateway, body: dict[str, Any]) -> httpx.Response:
    """Send one request with a good token."""
    return gateway.request("POST", "/graphql", gateway.token("org-1"), json=body)


def test_a_document_is_read_once(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends it, valid or not."""
    read: list[str] = []
    parse = documents.parse  # type: ignore[attr-defined] # as it is used there

    def noted(text: str, **options: Any) -> Any:  # noqa: ANN401 - passed on
        read.append(text)
        return parse(text, **options)

    monkeypatch.setattr(documents, "parse", noted)
    for _ in range(3):
        assert post(gateway, {"query": QUERY}).json() == ANSWER
        assert "errors" in post(gateway, {"query": "{ nothing }"}).json()
        assert "errors" in post(gateway, {"query": "{"}).json()

    assert sorted(read) == sorted([QUERY, "{ nothing }", "{"])


def test_a_document_is_asked_for_by_its_hash_once_it_is_known(gateway: Gateway) -> None:
    """As clients of "automatic persisted queries" do it: first the hash, then both."""
    unknown = post(gateway, persisted())
    brought = post(gateway, persisted(query=QUERY))
    known = post(gateway, persisted())
    extensions = json.dumps(persisted()["extensions"])
    by_get = gateway.request(
        "GET", "/graphql", gateway.token("org-1"), params={"extensions": extensions}
    )

    (error,) = unknown.json()["errors"]
    assert error == {
        "message": "PersistedQueryNotFound",
        "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
    }
    assert brought.json() == known.json() == by_get.json() == ANSWER


def test_a_hash_of_another_document_is_refused(gateway: Gateway) -> None:
    """Else one client could answer for another."""
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
def test_what_names_no_document_is_refused(gateway: Gateway, body: dict[str, Any]) -> None:
    """With 400, naming the part."""
    response = post(gateway, body)

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest with one trusted document, as graphql-codegen writes it."""
    path = tmp_path / "persisted-documents.json"
    path.write_text(json.dumps({"0a1b": QUERY}))
    return path


def test_a_trusted_document_is_asked_for_by_its_id(gateway: Gateway, manifest: Path) -> None:
    """By POST and GET, with or without the name of the hash before it."""
    with gateway.configured(trusted_documents=manifest) as door:
        token = door.token("org-1")
        by_id = post(door, {"documentId": "0a1b"})
        prefixed = post(door, {"documentId": "sha256:0a1b"})
        by_get = door.request("GET", "/graphql", token, params={"documentId": "0a1b"})
        unknown = post(door, {"documentId": "ffff"})
        others = post(door, {"query": "{ __typename }"})

    assert by_id.json() == prefixed.json() == by_get.json() == ANSWER
    (error,) = unknown.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "documentId"}
    assert others.json() == {"data": {"__typename": "Query"}}


def test_where_only_trusted_documents_run_no_other_does(gateway: Gateway, manifest: Path) -> None:
    """A trusted one may be sent as its text, too, or named by its hash."""
    with gateway.configured(trusted_documents=manifest, trusted_documents_only=True) as door:
        by_text = post(door, {"query": QUERY})
        by_hash = post(door, persisted())
        other = post(door, {"query": "{ __typename }"})
        introspection = post(door, {"query": "{ __schema { queryType { name } } }"})

    assert by_text.json() == by_hash.json() == ANSWER
    for refused in (other, introspection):
        (error,) = refused.json()["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "query"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "can't be read"),
        ("[]", "must be an object"),
        ('{"a": 1}', "must be an object"),
        ("{", "can't be read"),
        ('{"bad": "{ nothing }"}', "the trusted document bad can't run"),
        ('{"bad": "{"}', "the trusted document bad can't run"),
    ],
)
def test_a_manifest_that_can_not_be_used_is_refused_at_the_start(
    gateway: Gateway, tmp_path: Path, text: str | None, named: str
) -> None:
    """Naming what is wrong with it."""
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(ValueError, match=named), gateway.configured(trusted_documents=path):
        pass
