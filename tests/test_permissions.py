"""Permissions, over both APIs."""

from itertools import product

import pytest

from tests.conftest import Gateway

PERIOD = {"time_after": 0, "time_before": 100}
ENTERPRISE = """
    query ($orgs: [ID!]) {
      enterpriseSessionMetrics(orgIds: $orgs, filters: {timeAfter: 0, timeBefore: 100}) {
        sessionsCreatedCount
        byOrganization { nodes { organization { id } } totalCount }
      }
    }
"""


@pytest.mark.parametrize("permission", ["ViewAccountMetrics", "ViewOrgMetrics"])
@pytest.mark.parametrize("level", ["org-1", None])
def test_either_name_of_the_permission_allows_reading(
    gateway: Gateway, permission: str, level: str | None
) -> None:
    """On the organization itself, or at enterprise level."""
    gateway.token("org-1")

    token = gateway.token(level, permission)
    assert gateway.rest("org-1", token, **PERIOD).status_code == 200


def test_another_permission_does_not_allow_reading(gateway: Gateway) -> None:
    """Neither on the organization itself nor at enterprise level."""
    for level in ("org-1", None):
        token = gateway.token(level, "ViewOrgSessions")
        assert gateway.rest("org-1", token, **PERIOD).status_code == 403


@pytest.mark.parametrize("org_ids", [None, [], ["org-1"], ["org-1", "org-2"], ["org-unknown"]])
@pytest.mark.parametrize(
    "caller",
    [("org-1", "ViewAccountMetrics"), ("org-1", "ViewOrgMetrics"), (None, "ReadAccountMeta")],
)
def test_the_enterprise_is_forbidden_without_the_permission_at_enterprise_level(
    gateway: Gateway, caller: tuple[str | None, str], org_ids: list[str] | None
) -> None:
    """With the same response for any organizations, the caller's own and unknown ones included."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 10}])
    token = gateway.token(*caller)
    parameters = {} if org_ids is None else {"org_ids": ",".join(org_ids)}
    over_rest = gateway.enterprise(token, **PERIOD, **parameters)
    over_graphql = gateway.graphql(ENTERPRISE, token, {"orgs": org_ids}).json()

    message = "You may not read the metrics of the enterprise."
    assert (over_rest.status_code, over_rest.json()) == (403, {"detail": message})
    assert over_graphql["data"] == {"enterpriseSessionMetrics": None}
    (error,) = over_graphql["errors"]
    assert error["message"] == message
    assert error["extensions"] == {"code": "FORBIDDEN"}


@pytest.mark.parametrize("permission", ["ViewAccountMetrics", "ViewOrgMetrics"])
def test_either_name_of_the_permission_allows_reading_the_enterprise(
    gateway: Gateway, permission: str
) -> None:
    """At enterprise level."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 10}])
    token = gateway.token(None, permission)

    assert gateway.enterprise(token, **PERIOD).json()["sessions_created_count"] == 1
    metrics = gateway.graphql(ENTERPRISE, token).json()["data"]["enterpriseSessionMetrics"]
    assert metrics["byOrganization"]["nodes"] == [{"organization": {"id": "org-2"}}]


def test_the_enterprise_needs_a_token(gateway: Gateway) -> None:
    """It is checked before parameters and permissions."""
    for token in (None, gateway.token(days=-1)):
        assert gateway.enterprise(token, time_after="x").status_code == 401
        assert gateway.request("GET", "/v3/self", token).status_code == 401


def test_each_token_reads_its_own_organizations_only(gateway: Gateway) -> None:
    """N tokens by M organizations, over both APIs, alone and as aliases of one request."""
    organizations = ["org-1", "org-2", "org-3"]
    for number, org_id in enumerate(organizations, start=1):
        gateway.load(
            {"org_id": org_id, "session_id": str(session), "created_at": 10}
            for session in range(number)
        )
    permitted: dict[str, set[str]] = {gateway.token(org_id): {org_id} for org_id in organizations}
    permitted |= {gateway.token("org-1", "ViewOrgSessions"): set()}
    permitted |= {gateway.token(): {*organizations}}
    counts = {"org-1": 1, "org-2": 2, "org-3": 3, "org-unknown": None}

    for (token, readable), org_id in product(permitted.items(), counts):
        response = gateway.rest(org_id, token, **PERIOD)
        assert response.status_code == (200 if org_id in readable else 403)
        if org_id in readable:
            assert response.json()["sessions_created_count"] == counts[org_id]

    aliases = " ".join(
        f"a{at}: sessionMetrics(orgId: $o{at}, filters: $f) {{ ...counted }}"
        for at in range(len(counts))
    )
    declared = " ".join(f"$o{at}: ID!" for at in range(len(counts)))
    query = (
        f"query ($f: SessionMetricsFilters! {declared}) {{ {aliases} }}"
        " fragment counted on SessionMetrics { sessionsCreatedCount }"
    )
    variables = {f"o{at}": org_id for at, org_id in enumerate(counts)}
    for token, readable in permitted.items():
        body = gateway.graphql(
            query, token, {**variables, "f": {"timeAfter": 0, "timeBefore": 100}}
        ).json()
        found = {
            org_id: (body["data"][f"a{at}"] or {}).get("sessionsCreatedCount")
            for at, org_id in enumerate(counts)
        }
        assert found == {
            org_id: counts[org_id] if org_id in readable else None for org_id in counts
        }
        refused = {error["path"][0] for error in body.get("errors", [])}
        assert refused == {f"a{at}" for at, org_id in enumerate(counts) if org_id not in readable}
