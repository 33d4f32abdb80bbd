"""Names in responses: of breakdowns, filter options and organizations, on every engine."""

from collections.abc import Sequence
from itertools import starmap
from typing import Any, Final

import pytest

from metrics_graphql.core.names import NamedKind, NameUpdate
from metrics_graphql.storage.names import list_names, store_names
from tests.conftest import Advance, Gateway, on_every_engine

pytestmark = on_every_engine

SESSION: Final = {"session_id": "s", "created_at": 1_735_689_600}
IDS: Final = {"user_id": "u", "service_user_id": "b", "playbook_id": "p"}
NAMES: Final = [
    (NamedKind.USER, "u", "Ada"),
    (NamedKind.SERVICE_USER, "b", "Bot"),
    (NamedKind.PLAYBOOK, "p", "Deploy"),
    (NamedKind.ORGANIZATION, "org-1", "Example"),
]
BREAKDOWNS: Final = """{
  enterpriseSessionMetrics(filters: {timeAfter: 0, timeBefore: 2000000000}) {
    byUser { nodes { user { id name } } }
    byServiceUser { nodes { serviceUser { id name } } }
    byPlaybook { nodes { playbook { id name } } }
    byOrganization { nodes { organization { id name } } }
  }
}"""
OPTIONS: Final = """
query ($kind: FilterOptionKind!, $org: ID, $search: String! = "", $first: Int! = 20) {
  filterOptions(kind: $kind, orgId: $org, search: $search, first: $first) { id name }
}"""


def data(gateway: Gateway, query: str, token: str, **variables: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the data of a query that must succeed."""
    body = gateway.graphql(query, token, variables).json()
    assert "errors" not in body, body
    return body["data"]


def options(gateway: Gateway, token: str, **variables: Any) -> list[tuple[str, str | None]]:  # noqa: ANN401 - any JSON
    """Return the ids and names of filter options."""
    variables.setdefault("kind", "USER")
    found = data(gateway, OPTIONS, token, **variables)["filterOptions"]
    return [(each["id"], each["name"]) for each in found]


def store(gateway: Gateway, rows: Sequence[tuple[NamedKind, str, str | None]]) -> None:
    """Store names."""
    gateway.run(store_names(gateway.database, starmap(NameUpdate, rows)))


def in_breakdowns(gateway: Gateway, token: str) -> dict[str, tuple[str, str | None]]:
    """Return the id and the name in the only row of each breakdown."""
    metrics = data(gateway, BREAKDOWNS, token)["enterpriseSessionMetrics"]
    rows = {field: breakdown["nodes"] for field, breakdown in metrics.items()}
    return {
        field: (named["id"], named["name"])
        for field, [row] in rows.items()
        for named in row.values()
    }


def test_names_in_breakdowns_and_of_organizations(gateway: Gateway, statements: list[str]) -> None:
    """A name is null until it is loaded. Those of a breakdown take one statement."""
    gateway.load([{**SESSION, **IDS, "org_id": "org-1"}])
    token = gateway.token()
    organizations = "{ viewer { organizations { id name } } }"

    assert set(in_breakdowns(gateway, token).values()) == {
        ("u", None),
        ("b", None),
        ("p", None),
        ("org-1", None),
    }

    store(gateway, NAMES)
    statements.clear()

    assert in_breakdowns(gateway, token) == {
        "byUser": ("u", "Ada"),
        "byServiceUser": ("b", "Bot"),
        "byPlaybook": ("p", "Deploy"),
        "byOrganization": ("org-1", "Example"),
    }
    assert sum("FROM names" in sql for sql in statements) == len(NAMES)
    assert data(gateway, organizations, token) == {
        "viewer": {"organizations": [{"id": "org-1", "name": "Example"}]}
    }
    statements.clear()
    data(gateway, BREAKDOWNS.replace(" name ", " "), token)
    assert not any("FROM names" in sql for sql in statements)


def test_the_last_name_wins_and_none_removes(gateway: Gateway) -> None:
    """A name of another kind is another one."""
    rows = [(NamedKind.USER, "u", "First"), (NamedKind.PLAYBOOK, "u", "Other"), NAMES[0]]
    store(gateway, [*rows, (NamedKind.USER, "v", "Grace"), (NamedKind.USER, "v", None)])
    store(gateway, [(NamedKind.USER, "unknown", None)])

    assert gateway.run(list_names(gateway.database)) == [
        NameUpdate(NamedKind.PLAYBOOK, "u", "Other"),
        NameUpdate(NamedKind.USER, "u", "Ada"),
    ]
    assert gateway.run(list_names(gateway.database, NamedKind.USER)) == [
        NameUpdate(NamedKind.USER, "u", "Ada")
    ]
    assert gateway.run(gateway.storage.list_organizations(10)) == []


def test_a_search_of_filter_options(gateway: Gateway, statements: list[str]) -> None:
    """By a part of the name or the id, without case; by name, and those without a name last."""
    ids = ["u1", "U2", "u3", "zoë-id", "w"]
    gateway.load(
        {"org_id": "org-1", "session_id": each, "created_at": 5, "user_id": each} for each in ids
    )
    names = {"u1": "zelda", "U2": "Émile STRASSE", "u3": "Adam"}
    store(gateway, [(NamedKind.USER, each, name) for each, name in names.items()])
    token = gateway.token("org-1")
    statements.clear()

    assert options(gateway, token, org="org-1") == [
        ("u3", "Adam"),
        ("u1", "zelda"),
        ("U2", "Émile STRASSE"),
        ("w", None),
        ("zoë-id", None),
    ]
    assert sum("scope_id" in sql for sql in statements) == 1
    assert sum("FROM names" in sql for sql in statements) == 1
    assert options(gateway, token, org="org-1", first=1) == [("u3", "Adam")]
    for search, found in {
        "AD": ["u3"],
        "émi": ["U2"],
        "straße": ["U2"],
        " ZOË-": ["zoë-id"],
        "u": ["u3", "u1", "U2"],
        "nobody": [],
        "%": [],
        "_": [],
    }.items():
        assert [each for each, _ in options(gateway, token, org="org-1", search=search)] == found


def test_filter_options_of_each_tenant(gateway: Gateway) -> None:
    """Only ids in sessions of the tenant are options, whatever has a name."""
    gateway.load(
        {**SESSION, **IDS, "org_id": org_id, "user_id": f"user-of-{org_id}"}
        for org_id in ("org-1", "org-2")
    )
    store(gateway, [*NAMES, (NamedKind.USER, "user-of-org-2", "Grace")])
    enterprise, token = gateway.token(), gateway.token("org-1")

    assert options(gateway, token, org="org-1") == [("user-of-org-1", None)]
    assert options(gateway, token, kind="ORGANIZATION", org="org-1") == [("org-1", "Example")]
    assert options(gateway, enterprise) == [("user-of-org-2", "Grace"), ("user-of-org-1", None)]
    assert options(gateway, enterprise, kind="SERVICE_USER") == [("b", "Bot")]
    assert options(gateway, enterprise, kind="PLAYBOOK", org="org-2") == [("p", "Deploy")]
    assert options(gateway, enterprise, kind="ORGANIZATION") == [
        ("org-1", "Example"),
        ("org-2", None),
    ]
    for variables in ({"org": "org-2"}, {}, {"org": "unknown"}):
        body = gateway.graphql(OPTIONS, token, {"kind": "USER", **variables}).json()
        assert body["data"] == {"filterOptions": None}
        assert [each["extensions"]["code"] for each in body["errors"]] == ["FORBIDDEN"]


@pytest.mark.parametrize(
    "query",
    [
        BREAKDOWNS,
        "{ filterOptions(kind: USER) { name } }",
        '{ filterOptions(kind: PLAYBOOK, orgId: "org-1") { name } }',
        "{ viewer { organizations { name } } }",
    ],
    ids=["breakdowns", "enterprise options", "options", "organizations"],
)
def test_cached_responses_show_new_names(gateway: Gateway, advance: Advance, query: str) -> None:
    """Once their time to live has passed. A removed name disappears likewise."""
    gateway.load([{**SESSION, **IDS, "org_id": "org-1"}])
    token = gateway.token()
    with gateway.configured(cache_ttl=5) as caching:
        before = data(caching, query, token)
        store(gateway, NAMES)
        advance(11)
        named = data(caching, query, token)
        store(gateway, [(kind, each, None) for kind, each, _ in NAMES])
        advance(11)

        assert named != before
        assert data(caching, query, token) == before
