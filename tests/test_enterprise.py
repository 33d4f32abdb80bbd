"""Metrics of the enterprise over both APIs: results, statements, and caching."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.tenants import ENTERPRISE
from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine, reads_sessions
from tests.graphql_api.selections import (
    ALL_MEASURES,
    ENTERPRISE_ROW_KEYS,
    breakdown_field,
    flattened,
    ranked_breakdowns,
)

pytestmark = on_every_engine

PERIOD = {"time_after": 0, "time_before": 100}
BOUNDS = "period { startsAt endsAt }"
CHANGE = f"change {{ {ALL_MEASURES} }}"
DASHBOARD = (
    """
    query ($orgs: [ID!], $filters: SessionMetricsFilters!, $interval: TimeInterval!,
           $first: Int!, $order: SessionMetricsOrder!) {
      enterpriseSessionMetrics(orgIds: $orgs, filters: $filters) {
        ...Measures BOUNDS
        timeSeries(interval: $interval, timeZone: "Asia/Kathmandu") { ...Measures BOUNDS }
        BREAKDOWNS
        previousPeriod { ...Measures BOUNDS CHANGE }
      }
    }
    """.replace("BOUNDS", BOUNDS)
    .replace("CHANGE", CHANGE)
    .replace("BREAKDOWNS", ranked_breakdowns(ENTERPRISE_ROW_KEYS))
    + f"fragment Measures on SessionAggregates {{ {ALL_MEASURES} }}"
)
COUNT = """
    query ($orgs: [ID!]) {
      enterpriseSessionMetrics(orgIds: $orgs, filters: {timeAfter: 0, timeBefore: 100}) {
        sessionsCreatedCount
      }
    }
"""


def session(org_id: str, session_id: str = "s", created_at: int = 10) -> dict[str, Any]:
    """Return a session."""
    return {"org_id": org_id, "session_id": session_id, "created_at": created_at}


def counts(body: dict[str, Any]) -> dict[str, int]:
    """Return every count in a REST response, by the path of its keys."""
    return {
        f"{name}.{member}": count
        for name, value in body.items()
        if not isinstance(value, float)
        for member, count in (value.items() if isinstance(value, dict) else [("", value)])
    }


class Enterprise:
    """An enterprise that grows with each example, and a copy of all its sessions."""

    def __init__(self, gateway: Gateway) -> None:
        self.token = gateway.token()
        self.rows: list[oracle.Row] = []
        self.org_ids: list[str] = []
        self._gateway = gateway

    def grow(self, data: st.DataObject) -> None:
        """Load sessions of three new organizations, which may have none."""
        org_ids = [next(new_organization) for _ in range(3)]
        rows = st.sampled_from(org_ids).flatmap(
            lambda org_id: strategies.session_rows(org_id, st.sampled_from("abcdefgh"))
        )
        unique = st.lists(
            rows, max_size=20, unique_by=lambda row: (row["org_id"], row["session_id"])
        )
        new = data.draw(unique)
        self._gateway.load(new)
        self.rows += new
        self.org_ids += org_ids

    def filters(self) -> st.SearchStrategy[dict[str, Any]]:
        """Return filters, by organization and others."""
        named = st.lists(st.sampled_from([*self.org_ids[-6:], "org-unknown"]))
        org_ids = st.fixed_dictionaries({}, optional={"org_ids": named})
        return st.builds(lambda one, other: {**one, **other}, org_ids, strategies.filters())


@pytest.fixture
def enterprise(gateway: Gateway) -> Enterprise:
    """Return an enterprise for the examples of one test."""
    return Enterprise(gateway)


@given(data=st.data())
def test_every_field_equals_the_oracle(
    gateway: Gateway, enterprise: Enterprise, data: st.DataObject
) -> None:
    """Over both APIs, for random sessions, organizations, periods, filters and rankings."""
    enterprise.grow(data)
    after, before = sorted(data.draw(st.tuples(strategies.instants(), strategies.instants())))
    filters = data.draw(enterprise.filters())
    period = {"time_after": after, "time_before": before}
    interval = data.draw(st.sampled_from(["DAY", "WEEK", "MONTH"]))
    ranking: dict[str, Any] = {
        "first": data.draw(st.integers(1, 5)),
        "order_field": data.draw(
            st.sampled_from(
                [
                    *("SESSIONS_CREATED_COUNT", "SESSIONS_WITH_MERGED_PRS_COUNT"),
                    *("AVG_ACUS_PER_SESSION", "SESSIONS_CREATED_BY_ORIGIN_OTHER"),
                    "PRS_CREATED_COUNT",
                ]
            )
        ),
        "direction": data.draw(st.sampled_from(["ASC", "DESC"])),
    }

    over_rest = gateway.enterprise(
        enterprise.token, **strategies.rest_parameters(period, strategies.rest_filters(filters))
    ).json()
    others = {name: value for name, value in filters.items() if name != "org_ids"}
    variables = {
        "orgs": filters.get("org_ids"),
        "filters": strategies.graphql_filters(period, others),
        "interval": interval,
        "first": ranking["first"],
        "order": {"field": ranking["order_field"], "direction": ranking["direction"]},
    }
    over_graphql = gateway.graphql(DASHBOARD, enterprise.token, variables).json()

    query: dict[str, Any] = {"rows": enterprise.rows, "org_id": None, **period, **filters}
    rest = {"rows": enterprise.rows, "org_id": None, **period, **strategies.rest_filters(filters)}
    assert over_rest == oracle.rest(**rest)
    assert "errors" not in over_graphql, over_graphql
    metrics = over_graphql["data"]["enterpriseSessionMetrics"]
    series = oracle.time_series(**query, interval=interval, time_zone="Asia/Kathmandu")
    assert metrics.pop("timeSeries") == series
    for by in ENTERPRISE_ROW_KEYS:
        page = flattened(metrics.pop(breakdown_field(by)))
        assert page == oracle.breakdown(**query, **ranking, by=by)
    previous = oracle.previous_period(**query)
    assert metrics.pop("previousPeriod") == previous
    assert metrics.pop("period")["startsAt"] == previous["period"]["endsAt"]
    assert metrics == oracle.graphql(**query)


@given(data=st.data())
def test_the_enterprise_is_the_sum_of_its_organizations(
    gateway: Gateway, enterprise: Enterprise, data: st.DataObject
) -> None:
    """Of all or of some, in each count, for any period and filters."""
    enterprise.grow(data)
    period = data.draw(strategies.periods())
    filters = strategies.rest_filters(data.draw(enterprise.filters()))
    parameters = strategies.rest_parameters(period, filters)
    together = gateway.enterprise(enterprise.token, **parameters).json()

    parameters.pop("org_ids", None)
    of_each = [
        gateway.rest(org_id, enterprise.token, **parameters).json()
        for org_id in {*filters.get("org_ids", enterprise.org_ids)}
        # An organization without sessions is not known.
        if any(row["org_id"] == org_id for row in enterprise.rows)
    ]
    expected = {name: sum(counts(each)[name] for each in of_each) for name in counts(together)}
    assert counts(together) == expected


def test_a_dashboard_takes_seven_statements_for_any_number_of_organizations(
    gateway: Gateway, statements: list[str]
) -> None:
    """One for totals, the series and the previous period, and one for each breakdown."""
    gateway.load(session(f"org-{number}") for number in range(30))
    token = gateway.token()
    variables = {
        "filters": {"timeAfter": 0, "timeBefore": 30 * 86_400},
        "interval": "DAY",
        "first": 25,
        "order": {"field": "SESSIONS_CREATED_COUNT", "direction": "DESC"},
    }
    for orgs in (None, [f"org-{number}" for number in range(20)]):
        statements.clear()
        body = gateway.graphql(DASHBOARD, token, {**variables, "orgs": orgs}).json()
        found = body["data"]["enterpriseSessionMetrics"]
        assert found["sessionsCreatedCount"] == found["byOrganization"]["totalCount"]
        assert len(list(filter(reads_sessions, statements))) == 7


def test_fields_with_different_organizations_have_different_results(gateway: Gateway) -> None:
    """All, some, others and one of them, in one request."""
    gateway.load(session(org_id) for org_id in ("org-1", "org-2", "org-3"))
    gateway.load([session("org-3", "t")])
    aliases = {"all": "", "some": 'orgIds: ["org-1", "org-2"],', "other": 'orgIds: ["org-3"],'}
    aliases |= {"none": "orgIds: [],", "null": "orgIds: null,", "unknown": 'orgIds: ["org-9"],'}
    fields = " ".join(
        f"{alias}: enterpriseSessionMetrics({argument} filters: $f) {{ sessionsCreatedCount }}"
        for alias, argument in aliases.items()
    )
    one = 'one: sessionMetrics(orgId: "org-1", filters: $f) { sessionsCreatedCount }'
    query = f"query ($f: SessionMetricsFilters!) {{ {fields} {one} }}"
    body = gateway.graphql(
        query, gateway.token(), {"f": {"timeAfter": 0, "timeBefore": 100}}
    ).json()

    found = {alias: each["sessionsCreatedCount"] for alias, each in body["data"].items()}
    assert found == {"all": 4, "some": 2, "other": 2, "none": 0, "null": 4, "unknown": 0, "one": 1}


def test_organizations_may_be_repeated_joined_by_commas_or_both(gateway: Gateway) -> None:
    """`org_ids=` is an empty list, which matches nothing; an unknown one has no sessions."""
    gateway.load(session(org_id) for org_id in ("org-a", "org-b", "org-c"))
    token = gateway.token()

    def count(org_ids: Any) -> int:  # noqa: ANN401 - one or several values
        body = gateway.enterprise(token, **PERIOD, org_ids=org_ids).json()
        return int(body["sessions_created_count"])

    assert count("org-a,org-b") == count(["org-a", "org-b"]) == count("org-a,org-b,org-z") == 2
    assert count(["org-a,org-b", "org-c"]) == 3
    assert count("") == count("org-z") == 0


@pytest.mark.parametrize(
    ("org_ids", "location", "kind"),
    [
        (",".join(map(str, range(1001))), ["query", "org_ids"], "too_long"),
        ("a,\0", ["query", "org_ids", 1], "id_characters"),
    ],
)
def test_refused_organizations_are_named(
    gateway: Gateway, org_ids: str, location: list[Any], kind: str
) -> None:
    """Like other ids; over GraphQL, by the name of the argument."""
    token = gateway.token()
    response = gateway.enterprise(token, **PERIOD, org_ids=org_ids)
    body = gateway.graphql(COUNT, token, {"orgs": org_ids.split(",")}).json()

    assert response.status_code == 422
    (entry,) = response.json()["detail"]
    assert (entry["loc"], entry["type"]) == (location, kind)
    (error,) = body["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "orgIds"}


def test_a_thousand_organizations_are_allowed(gateway: Gateway) -> None:
    """1,000 is the limit."""
    gateway.load([session("org-7")])
    org_ids = ",".join(f"org-{number}" for number in range(1000))
    response = gateway.enterprise(gateway.token(), **PERIOD, org_ids=org_ids)

    assert response.json()["sessions_created_count"] == 1


def test_an_enterprise_without_organizations_has_no_sessions(gateway: Gateway) -> None:
    """All measures are zero."""
    response = gateway.enterprise(gateway.token(), **PERIOD)

    assert response.status_code == 200
    assert set(counts(response.json()).values()) == {0}
    assert response.json()["avg_acus_per_session"] == 0.0


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("api", ["rest", "graphql"])
def test_a_response_is_cached_until_an_organization_changes_or_becomes_known(
    gateway: Gateway, statements: list[str], api: str, *, named: bool
) -> None:
    """By new sessions, in a known organization or a new one, or by a service user."""
    gateway.load([session("org-1"), session("org-2")])
    token = gateway.token()

    def count() -> int:
        if api == "graphql":
            variables = {"orgs": ["org-1", "org-2", "org-3"]} if named else {}
            data = gateway.graphql(COUNT, token, variables).json()["data"]
            return int(data["enterpriseSessionMetrics"]["sessionsCreatedCount"])
        some = {"org_ids": "org-1,org-2,org-3"} if named else {}
        body = gateway.enterprise(token, **PERIOD, **some).json()
        return int(body["sessions_created_count"])

    def statements_of(expected: int) -> int:
        statements.clear()
        assert count() == expected
        return len(list(filter(reads_sessions, statements)))

    assert [statements_of(2), statements_of(2)] == [1, 0]
    gateway.load([session("org-2", "t")])
    assert [statements_of(3), statements_of(3)] == [1, 0]
    gateway.load([session("org-3")])
    assert [statements_of(4), statements_of(4)] == [1, 0]
    gateway.token("org-4")
    assert [statements_of(4), statements_of(4)] == [1, 0]


def test_a_client_with_the_current_representation_gets_304(gateway: Gateway) -> None:
    """Until the data changes."""
    gateway.load([session("org-1")])
    token = gateway.token()
    etag = gateway.enterprise(token, **PERIOD).headers["etag"]
    path = "/v3/enterprise/metrics/sessions"

    def status() -> int:
        headers = {"if-none-match": etag}
        return gateway.request("GET", path, token, params=PERIOD, headers=headers).status_code

    assert status() == 304
    gateway.load([session("org-2")])
    assert status() == 200


def test_a_query_of_one_organization_reads_one_data_version(
    gateway: Gateway, statements: list[str]
) -> None:
    """Three statements: the credential, the version, and the sums."""
    token = gateway.token("org-1")
    statements.clear()
    gateway.rest("org-1", token, **PERIOD)

    assert len(statements) == 3
    assert not [sql for sql in statements if "sum(organizations" in sql]


def test_queries_of_the_enterprise_that_differ_in_their_period_share_a_statement(
    gateway: Gateway, statements: list[str]
) -> None:
    """Those that differ in their organizations do not."""
    requests = [
        MetricsRequest(
            SessionMetricsQuery.from_params(
                tenant=ENTERPRISE, org_ids=org_ids, time_after=at, time_before=at + 10
            ),
            (SESSIONS_CREATED,),
        )
        for org_ids in (None, ["org-1"], ["org-1", "org-2"])
        for at in (0, 10, 20)
    ]
    gateway.load([session("org-1", created_at=5), session("org-2", created_at=25)])
    statements.clear()
    results = gateway.run(gateway.storage.fetch_metrics(requests))

    found = [result[SESSIONS_CREATED] for result in results]  # type: ignore[index] # no errors
    assert found == [1, 0, 1, 1, 0, 0, 1, 0, 1]
    assert len(statements) == 3
