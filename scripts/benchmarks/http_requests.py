"""The requests of the HTTP benchmark, as scripts of wrk, and the servers that they are sent to."""

import json
import re
from collections.abc import Generator, Mapping
from typing import Any, Final, NamedTuple

import httpx

from metrics_graphql.core.periods import DAY
from scripts.benchmarks.dataset import ORG, START, USERS, YEAR

CLIENTS: Final = 8
"""Connections, each of which waits for its response."""
UNCACHED_CLIENTS: Final = (1, 16, 200)
RATIO_CLIENTS: Final = 16
"""The clients under which GraphQL is compared with REST."""
PRODUCT: Final = "metrics-graphql"
ASGI: Final = "bare_asgi"
FASTAPI: Final = "fastapi"
FASTAPI_PLANNER_SETTINGS: Final = "fastapi_planner_settings"
FASTAPI_RAW: Final = "fastapi_raw"
STRAWBERRY: Final = "strawberry_default"
STRAWBERRY_CACHED: Final = "strawberry_cached"
"""The servers. All but the first are factories, in `raw_sql_baseline` or in `baselines`."""
UNCACHED_GRAPHQL: Final = "uncached GraphQL"
UNCACHED_REST: Final = "uncached REST"

ALL_FIELDS: Final = """
  query ($org: ID!, $filters: SessionMetricsFilters!) {
    sessionMetrics(orgId: $org, filters: $filters) {
      sessionsCreatedCount
      sessionsCreatedBySize { xs s m l xl }
      sessionsCreatedByOrigin { api automation desktop jira linear slack teams webapp }
      sessionsCreatedWithPlaybookCount
      sessionsCreatedWithSearchCount
      sessionsWithMergedPrsCount
      sessionsWithMergedPrsBySize { xs s m l xl }
      avgAcusPerSession
    }
  }
"""
DASHBOARD: Final = """
  query ($org: ID!, $filters: SessionMetricsFilters!) {
    sessionMetrics(orgId: $org, filters: $filters) {
      ...Measures
      previousPeriod { ...Measures }
      timeSeries(interval: DAY) { ...Measures period { startsAt } }
      byUser(first: 25) { nodes { ...Measures user { id } } }
    }
  }
"""
TOP_USERS: Final = """
  query ($org: ID!, $filters: SessionMetricsFilters!) {
    sessionMetrics(orgId: $org, filters: $filters) {
      byUser(first: 25) { nodes { ...Measures user { id } } }
    }
  }
"""
TOTALS: Final = """
  query ($org: ID!, $filters: SessionMetricsFilters!) {
    sessionMetrics(orgId: $org, filters: $filters) { ...Measures }
  }
"""
MEASURES: Final = """
  fragment Measures on SessionAggregates {
    sessionsCreatedCount
    sessionsCreatedBySize { xs s m l xl }
    sessionsWithMergedPrsBySize { xs s m l xl }
    avgAcusPerSession
  }
"""
FILTERED_USERS: Final = USERS[:: len(USERS) // 50]
DISTINCT_PERIODS: Final = """
local number = SEED
request = function()
  number = number + 1
  local after = START + (number * 7919) % 2592000
  local before = BEFORE
  return wrk.format(nil, REQUEST)
end
"""
"""A wrk script whose every request has another period, with unaligned ends."""
PERIOD_ENDS: Final = {
    "a year": "LAST - (number * 104729) % 2592000",
    "30 days": f"after + {30 * DAY} + (number * 104729) % 600",
}
"""The ends of periods of about that length, as Lua expressions."""


class Cell(NamedTuple):
    """A kind of request, the wrk script for each server that it is sent to, and the clients."""

    name: str
    scripts: Mapping[str, str]
    clients: tuple[int, ...] = (CLIENTS,)


def cells_of(url: str, token: str, rest_servers: tuple[str, ...]) -> Generator[Cell]:
    """Yield the cells: repeated, conditional and uncached requests."""
    get = f'wrk.headers["Authorization"] = "Bearer {token}"\n'
    post = f'{get}wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
    filters = {"timeAfter": START + 1_234, "timeBefore": START + YEAR - 1_234}
    variables = {"org": ORG, "filters": filters}
    path = f"/v3/organizations/{ORG}/metrics/sessions"
    rest = f"{path}?time_after={filters['timeAfter']}&time_before={filters['timeBefore']}"
    parameters = {"query": ALL_FIELDS, "variables": json.dumps(variables)}
    graphql = str(httpx.URL("/graphql", params=parameters))

    def repeated_post(query: str) -> str:
        return f"{post}wrk.path = '/graphql'\nwrk.body = [==[{body_of(query, variables)}]==]\n"

    def same(script: str, *servers: str) -> Mapping[str, str]:
        return dict.fromkeys(servers, script)

    all_fields = repeated_post(ALL_FIELDS)
    yield Cell("repeated GraphQL POST", same(all_fields, PRODUCT, ASGI, STRAWBERRY))
    yield Cell("repeated REST", same(f"{get}wrk.path = '{rest}'\n", PRODUCT, ASGI, FASTAPI))
    for name, target in (("REST", rest), ("GraphQL GET", graphql)):
        response = httpx.get(f"{url}{target}", headers={"Authorization": f"Bearer {token}"})
        yield Cell(
            f"conditional (304) {name}",
            same(
                f"{get}wrk.headers['If-None-Match'] = '{response.headers['etag']}'\n"
                f"wrk.path = '{target}'\n",
                PRODUCT,
                ASGI,
            ),
        )
    uncached = post + distinct_periods(graphql_request(ALL_FIELDS))
    yield Cell(UNCACHED_GRAPHQL, same(uncached, PRODUCT, STRAWBERRY_CACHED), UNCACHED_CLIENTS)
    uncached = get + distinct_periods(f"'{path}?time_after=' .. after .. '&time_before=' .. before")
    yield Cell(UNCACHED_REST, same(uncached, *rest_servers), UNCACHED_CLIENTS)
    dashboard = repeated_post(DASHBOARD + MEASURES)
    yield Cell("repeated dashboard", same(dashboard, PRODUCT, ASGI))
    yield from dashboard_cells(get, post)


def dashboard_cells(get: str, post: str) -> Generator[Cell]:
    """Yield the cells with the parts of a dashboard. `get` and `post` set the headers."""
    users = ",".join(FILTERED_USERS)
    no_filters: Mapping[str, Any] = {}
    for name, query, filters, path in (
        ("top 25 users", TOP_USERS, no_filters, "/top-users?"),
        ("dashboard", DASHBOARD, no_filters, "/dashboard?"),
        ("50 users", TOTALS, {"userIds": FILTERED_USERS}, f"/users?user_ids={users}&"),
    ):
        graphql = graphql_request(query + MEASURES, filters)
        rest = f"'{path}org={ORG}&after=' .. after .. '&before=' .. before"
        for length in PERIOD_ENDS:
            yield Cell(
                f"uncached {name}, {length}",
                {
                    PRODUCT: post + distinct_periods(graphql, length),
                    FASTAPI_RAW: get + distinct_periods(rest, length),
                },
                UNCACHED_CLIENTS if length == "30 days" else (RATIO_CLIENTS,),
            )


def body_of(query: str, variables: Mapping[str, Any]) -> str:
    """Return the body of a GraphQL request."""
    return json.dumps({"query": query, "variables": variables})


def graphql_request(query: str, filters: Mapping[str, Any] | None = None) -> str:
    """Return Lua expressions for a request with filters and the period `after` to `before`."""
    bounds = {"timeAfter": "A", "timeBefore": "B"}
    body = body_of(query, {"org": ORG, "filters": {**(filters or {}), **bounds}})
    before, between, after = re.split('"A"|"B"', body)
    expression = f"[==[{before}]==] .. after .. [==[{between}]==] .. before .. [==[{after}]==]"
    return f"'/graphql', nil, {expression}"


def distinct_periods(request: str, length: str = "a year") -> str:
    """Return the wrk script of requests with distinct periods; `request` are Lua expressions."""
    script = DISTINCT_PERIODS.replace("REQUEST", request).replace("BEFORE", PERIOD_ENDS[length])
    return script.replace("START", str(START)).replace("LAST", str(START + YEAR))
