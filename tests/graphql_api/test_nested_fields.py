"""Series, breakdowns and the previous period equal those of the oracle, in any time zone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage import breakdowns
from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine, reads_sessions
from tests.graphql_api.selections import (
    ROW_KEYS,
    breakdown_field,
    flattened,
    ranked_breakdowns,
)

pytestmark = on_every_engine

ZONES = {
    "UTC": 1_735_689_600,
    # Around a change of daylight saving time, if there is one.
    "America/Los_Angeles": 1_730_619_000,
    "US/Pacific": 1_741_514_400,
    "Asia/Kolkata": 1_735_689_600,
    "Asia/Kathmandu": 1_735_689_600,
    "Australia/Lord_Howe": 1_743_865_200,
    "Pacific/Apia": 1_325_239_200,
}
SPANS = {"HOUR": 40, "DAY": 45 * 24, "WEEK": 120 * 24, "MONTH": 300 * 24}
FRAGMENT = f"fragment Measures on SessionAggregates {strategies.ALL_SELECTED}"
PERIOD = "period { startsAt endsAt }"
CHANGE = f"change {strategies.ALL_SELECTED}"
DASHBOARD = (
    """
    query ($org: ID!, $filters: SessionMetricsFilters!, $interval: TimeInterval!, $zone: String!,
           $first: Int!, $order: SessionMetricsOrder!) {
      sessionMetrics(orgId: $org, filters: $filters) {
        ...Measures
        timeSeries(interval: $interval, timeZone: $zone) { ...Measures PERIOD }
        BREAKDOWNS
        previousPeriod {
          ...Measures PERIOD CHANGE
          timeSeries(interval: $interval, timeZone: $zone) { ...Measures PERIOD }
        }
      }
    }
    """.replace("PERIOD", PERIOD)
    .replace("CHANGE", CHANGE)
    .replace("BREAKDOWNS", ranked_breakdowns(ROW_KEYS))
    + FRAGMENT
)


def execute(gateway: Gateway, token: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of a whole dashboard, which must have no errors."""
    body = gateway.graphql(DASHBOARD, token, variables).json()
    assert "errors" not in body, body
    metrics: dict[str, Any] = body["data"]["sessionMetrics"]
    return metrics


@given(data=st.data())
def test_every_field_equals_that_of_the_oracle(gateway: Gateway, data: st.DataObject) -> None:
    """For random sessions, periods, filters, intervals, zones and rankings."""
    org_id = next(new_organization)
    zone = data.draw(st.sampled_from(sorted(ZONES)))
    interval = data.draw(st.sampled_from(sorted(SPANS)))
    hours = SPANS[interval]
    around = st.integers(-hours * 1800, hours * 1800) | st.integers(-hours, hours).map(
        lambda half: half * 1800
    )
    instants = around.map(lambda offset: ZONES[zone] + offset)
    stored = data.draw(
        st.lists(
            strategies.session_rows(org_id, st.sampled_from("abcdefghijklmnopqr"), instants),
            max_size=25,
            unique_by=lambda row: row["session_id"],
        )
    )
    gateway.load(stored)
    after, before = sorted(data.draw(st.tuples(instants, instants)))
    filters = data.draw(st.just({}) | strategies.filters())
    first = data.draw(st.integers(1, 5))
    field = data.draw(
        st.sampled_from(
            [
                "SESSIONS_CREATED_COUNT",
                "SESSIONS_WITH_MERGED_PRS_BY_SIZE_OTHER",
                "AVG_ACUS_PER_SESSION",
                "ACUS_CONSUMED",
                "PRS_CLOSED_COUNT",
            ]
        )
    )
    direction = data.draw(st.sampled_from(["ASC", "DESC"]))

    metrics = execute(
        gateway,
        gateway.token(org_id),
        {
            "org": org_id,
            "filters": strategies.graphql_filters(
                {"time_after": after, "time_before": before}, filters
            ),
            "interval": interval,
            "zone": zone,
            "first": first,
            "order": {"field": field, "direction": direction},
        },
    )

    query: dict[str, Any] = {
        "rows": stored,
        "org_id": org_id,
        "time_after": after,
        "time_before": before,
        **filters,
    }
    ranked = {**query, "first": first, "order_field": field, "direction": direction}
    expected = oracle.time_series(**query, interval=interval, time_zone=zone)
    assert metrics.pop("timeSeries") == expected
    for by in ROW_KEYS:
        page = flattened(metrics.pop(breakdown_field(by)))
        assert page == oracle.breakdown(**ranked, by=by)
    previous = metrics.pop("previousPeriod")
    assert previous.pop("timeSeries") == moved_series(query, expected)
    assert previous == oracle.previous_period(**query)
    assert metrics == oracle.graphql(**query)


def moved_series(query: dict[str, Any], series: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the buckets of a series, each moved by the length of the period."""
    length = query["time_before"] - query["time_after"]
    filters = {name: query[name] for name in query if name not in {"time_after", "time_before"}}
    moved = []
    for bucket in series:
        start, end = (
            int(datetime.fromisoformat(bucket["period"][name]).timestamp()) - length
            for name in ("startsAt", "endsAt")
        )
        measures = oracle.graphql(**filters, time_after=start, time_before=end)
        bounds = {
            name: f"{datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()}Z"
            for name, at in (("startsAt", start), ("endsAt", end))
        }
        moved.append({**measures, "period": bounds})
    return moved


def variables_of(org_id: str, after: int, before: int, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any variable
    """Return variables for the dashboard."""
    return {
        "org": org_id,
        "filters": {"timeAfter": after, "timeBefore": before},
        "interval": "DAY",
        "zone": "UTC",
        "first": 25,
        "order": {"field": "SESSIONS_CREATED_COUNT", "direction": "DESC"},
        **changed,
    }


def test_a_dashboard_takes_six_statements(gateway: Gateway, statements: list[str]) -> None:
    """Totals with both series and the previous period, and one for each of five breakdowns.

    Without those that read credentials and data versions.
    """
    token = gateway.token("org-1")
    execute(gateway, token, variables_of("org-1", 0, 30 * 86_400))

    assert len(list(filter(reads_sessions, statements))) == 6


def test_buckets_and_rows_add_up_to_the_totals(gateway: Gateway) -> None:
    """Over a year with both changes of daylight saving time."""
    gateway.load(
        {
            "org_id": "org-1",
            "session_id": f"s{number}",
            "created_at": 1_704_067_200 + number * 31_557,
            "user_id": f"u{number % 7}",
            "playbook_id": f"p{number % 5}" if number % 3 else None,
        }
        for number in range(1_000)
    )
    token = gateway.token("org-1")
    metrics = execute(
        gateway,
        token,
        variables_of("org-1", 1_704_067_200, 1_735_689_600, zone="America/Los_Angeles"),
    )

    total = metrics["sessionsCreatedCount"]
    series = metrics["timeSeries"]
    assert sum(bucket["sessionsCreatedCount"] for bucket in series) == total == 1_000
    assert sum(row["sessionsCreatedCount"] for row in metrics["byUser"]["nodes"]) == total
    assert (
        sum(row["sessionsCreatedCount"] for row in metrics["byPlaybook"]["nodes"])
        == metrics["sessionsCreatedWithPlaybookCount"]
    )
    edges = [bucket["period"] for bucket in series]
    assert [edge["endsAt"] for edge in edges[:-1]] == [edge["startsAt"] for edge in edges[1:]]


def error_of(gateway: Gateway, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any variable
    """Return the error of a dashboard with one refused argument; other fields must be intact."""
    token = gateway.token("org-1")
    body = gateway.graphql(DASHBOARD, token, variables_of("org-1", 0, 30 * 86_400) | changed).json()
    (error, *more) = body["errors"]
    assert all(other["extensions"] == error["extensions"] for other in more)
    metrics = body["data"]["sessionMetrics"]
    assert metrics["sessionsCreatedCount"] == 0
    failed = {entry["path"][1] for entry in body["errors"] if len(entry["path"]) == 2}
    assert failed == {name for name, value in metrics.items() if value is None}
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../etc/passwd", "localtime", "europe/berlin", "UTC\0", "+01:00"]
)
def test_an_unknown_time_zone_is_named(gateway: Gateway, zone: str) -> None:
    """Names are those of the IANA database, and case-sensitive."""
    error = error_of(gateway, zone=zone)

    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "timeZone"}
    assert error["path"] == ["sessionMetrics", "timeSeries"]


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
def test_a_number_of_rows_out_of_bounds_is_refused(gateway: Gateway, first: int) -> None:
    """The error names the argument and its bounds."""
    error = error_of(gateway, first=first)

    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}
    assert error["message"] == f"`first` must be from 1 to 100, not {first}."


def test_too_many_buckets_are_refused(gateway: Gateway) -> None:
    """A thousand hours are accepted, one second more is not; the error has the numbers."""
    token = gateway.token("org-1")
    exact = execute(gateway, token, variables_of("org-1", 0, 3_600_000, interval="HOUR"))
    assert len(exact["timeSeries"]) == 1_000

    error = error_of(gateway, interval="HOUR", filters={"timeAfter": 0, "timeBefore": 3_600_001})

    assert error["extensions"] == {"code": "TOO_MANY_BUCKETS", "argument": "interval"}
    assert "3,600,001 seconds into about 1,001 buckets, more than 1,000" in error["message"]


@pytest.mark.parametrize("interval", ["HOUR", "DAY", "WEEK", "MONTH"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("bounds", [(-(10**20), -(10**19)), (-(10**20), 10**20), (10**19, 10**20)])
def test_a_period_far_outside_the_data_is_accepted_or_refused(
    gateway: Gateway, interval: str, zone: str, bounds: tuple[int, int]
) -> None:
    """It is never an internal error: it is empty, too long, or outside the calendar."""
    token = gateway.token("org-1")
    filters = {"timeAfter": bounds[0], "timeBefore": bounds[1]}
    body = gateway.graphql(
        DASHBOARD,
        token,
        variables_of("org-1", 0, 0, interval=interval, zone=zone) | {"filters": filters},
    ).json()

    codes = {error["extensions"]["code"] for error in body.get("errors", [])}
    assert codes <= {"TOO_MANY_BUCKETS", "BAD_USER_INPUT"}


def test_a_failed_breakdown_leaves_other_fields_intact(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two breakdowns are null; totals, series and previous period are not."""

    async def fail(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(breakdowns, "fetch_breakdown", fail)
    error = error_of(gateway)

    assert error["extensions"] == {"code": "UNAVAILABLE"}


def test_the_viewer_has_the_organizations_that_it_may_read(gateway: Gateway) -> None:
    """Its own; all of them at enterprise level, ordered by id; none without a permission."""
    for org_id in ("org-b", "org-a"):
        gateway.token(org_id)
    query = "{ viewer { id name organizations(first: 2) { id } } }"

    def organizations(token: str) -> list[str]:
        viewer = gateway.graphql(query, token).json()["data"]["viewer"]
        assert viewer["name"] == "test"
        assert viewer["id"].startswith("service-user-")
        return [organization["id"] for organization in viewer["organizations"]]

    assert organizations(gateway.token("org-b")) == ["org-b"]
    assert organizations(gateway.token()) == ["org-a", "org-b"]
    assert organizations(gateway.token("org-b", "ViewOrgSessions")) == []


@pytest.mark.parametrize("first", [0, 1_001])
def test_a_number_of_organizations_out_of_bounds_is_refused(gateway: Gateway, first: int) -> None:
    """The error names the argument and its bounds."""
    query = f"{{ viewer {{ organizations(first: {first}) {{ id }} }} }}"
    body = gateway.graphql(query, gateway.token()).json()
    (error,) = body["errors"]

    assert body["data"] == {"viewer": {"organizations": None}}
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}
    assert "from 1 to 1000" in error["message"]
