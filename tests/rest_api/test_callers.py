"""What the REST door knows of its caller: who it is, and which organization it may leave out."""

import pytest

from tests.conftest import Gateway

OWN = "/v3/organizations/metrics/sessions"
QUESTION = {"time_after": 0, "time_before": 100}


@pytest.mark.parametrize("org_id", ["org-1", None])
@pytest.mark.parametrize("permission", ["ViewAccountMetrics", "ReadAccountMeta"])
def test_a_service_user_finds_out_who_it_is(
    gateway: Gateway, org_id: str | None, permission: str
) -> None:
    """And its organization, none at enterprise level; whatever it may do."""
    token = gateway.token(org_id, permission)
    response = gateway.request("GET", "/v3/self", token)
    viewer = gateway.graphql("{ viewer { id name } }", token).json()["data"]["viewer"]

    assert response.status_code == 200
    assert response.json() == {
        "principal_type": "service_user",
        "service_user_id": viewer["id"],
        "service_user_name": viewer["name"],
        "org_id": org_id,
    }
    assert response.headers["cache-control"] == "no-store"


def test_finding_out_who_one_is_counts_against_the_rate(gateway: Gateway) -> None:
    """As any request does."""
    token = gateway.token("org-1")
    with gateway.configured(rate_limit="1/hour") as door:
        statuses = [door.request("GET", "/v3/self", token).status_code for _ in range(2)]

    assert statuses == [200, 429]


def test_a_service_user_of_an_organization_may_leave_it_out(gateway: Gateway) -> None:
    """The answer is that of the path with the organization, for each its own."""
    for number, org_id in enumerate(["org-1", "org-2"], start=1):
        gateway.load(
            {"org_id": org_id, "session_id": str(session), "created_at": 10}
            for session in range(number)
        )
    for number, org_id in enumerate(["org-1", "org-2"], start=1):
        token = gateway.token(org_id)
        own = gateway.request("GET", OWN, token, params=QUESTION)
        assert own.json()["sessions_created_count"] == number
        assert own.content == gateway.rest(org_id, token, **QUESTION).content


def test_leaving_it_out_takes_the_same_rights_and_parameters(gateway: Gateway) -> None:
    """403 without the permission, 422 for what can't be read."""
    refused = gateway.request(
        "GET", OWN, gateway.token("org-1", "ReadAccountMeta"), params=QUESTION
    )
    unread = gateway.request("GET", OWN, gateway.token("org-1"), params={"time_after": "x"})

    assert refused.status_code == 403
    assert refused.json() == {"detail": "You may not read the metrics of this organization."}
    assert [entry["loc"] for entry in unread.json()["detail"]] == [
        ["query", "time_before"],
        ["query", "time_after"],
    ]


def test_a_service_user_of_the_enterprise_has_to_name_one(gateway: Gateway) -> None:
    """It is told what is missing."""
    gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 10}])
    response = gateway.request("GET", OWN, gateway.token(), params=QUESTION)

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "type": "missing",
                "loc": ["path", "org_id"],
                "msg": "Field required",
                "input": None,
            }
        ]
    }


@pytest.mark.parametrize("path", ["/v3/self", OWN, "/v3/enterprise/metrics/sessions"])
def test_there_is_nothing_but_get(gateway: Gateway, path: str) -> None:
    """As the v3 API answers elsewhere."""
    for method in ("POST", "HEAD"):
        response = gateway.request(method, path, gateway.token())
        assert response.status_code == 405
        assert response.headers["allow"] == "GET"
