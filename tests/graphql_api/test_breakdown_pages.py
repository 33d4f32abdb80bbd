"""Pages of breakdowns: together they are the ranking, and which cursors are refused."""

import base64
import json
from collections.abc import Generator
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.breakdowns import ORDER_MEASURES
from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine, only_sqlite
from tests.graphql_api.both_ways import BothWays, Responses
from tests.graphql_api.selections import ROW_KEYS, breakdown_field

pytestmark = on_every_engine

SELECTION: Final[dict[str, Any]] = {"sessionsCreatedCount": None, "avgAcusPerSession": None}
IDS: Final = [*"0123456789", "a'b", "z|ü", "Z", "€", None]
ORDER_FIELDS: Final = sorted(name.upper() for name in ORDER_MEASURES)
ALL_TIME: Final[dict[str, Any]] = {"time_after": 0, "time_before": 2**40}
OTHER_FILTERS: Final[list[dict[str, Any]]] = [
    {"timeBefore": 2**30},
    {"timeAfter": 1},
    {"userIds": ["a"]},
    {"userIds": []},
    {"serviceUserIds": ["a"]},
    {"playbookIds": ["a"]},
    {"origins": ["OTHER"]},
    {"sizes": ["OTHER"]},
    {"hasMergedPr": False},
]
"""Filters that differ from those of all sessions."""
NOT_A_CURSOR: Final = "`after` must be an `endCursor` of this breakdown."
OF_ANOTHER_QUERY: Final = (
    "`after` must be an `endCursor` of the same period, filters and order;"
    " request the first page again."
)
OUT_OF_RANGE: Final = 2**63
HUGE: Final = 10**5_000
"""Python refuses to convert an integer of so many digits from text and to text."""


@pytest.fixture
def uncached(gateway: Gateway) -> Generator[Gateway]:
    """Return a gateway without a response cache, which executes every request."""
    with gateway.configured(cache_bytes=0) as other:
        yield other


def document(by: str, *, with_total_count: bool = True) -> str:
    """Return the document of a page."""
    total_count = "totalCount" if with_total_count else ""
    nodes = f"nodes {{ {ROW_KEYS[by]} {strategies.in_graphql(SELECTION)[1:-1]} }}"
    return f"""
      query ($org: ID!, $filters: SessionMetricsFilters!, $first: Int!, $after: String,
             $order: SessionMetricsOrder!) {{
        sessionMetrics(orgId: $org, filters: $filters) {{
          sessionsCreatedCount
          page: {breakdown_field(by)}(first: $first, after: $after, orderBy: $order) {{
            {nodes} {total_count} pageInfo {{ hasNextPage endCursor dataChanged }}
          }}
        }}
      }}
    """


class Pages:
    """Requests pages of one breakdown in both ways of execution."""

    def __init__(self, both_ways: BothWays, org_id: str, by: str = "user") -> None:
        self.by = by
        self.variables: dict[str, Any] = {
            "org": org_id,
            "filters": strategies.graphql_filters(ALL_TIME, {}),
            "first": 1,
            "order": {"field": "SESSIONS_CREATED_COUNT", "direction": "DESC"},
        }
        self._both_ways = both_ways

    def responses(self, after: str | None = None, **changed: Any) -> Responses:  # noqa: ANN401 - any variable
        """Return the responses for a page, which are equal in both ways."""
        by = changed.pop("by", self.by)
        query = document(by, with_total_count=changed.pop("with_total_count", True))
        responses = self._both_ways.execute(query, {**self.variables, "after": after, **changed})
        assert responses.is_compiled
        responses.check_equal()
        return responses

    def page(self, after: str | None = None, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any variable
        """Return a page that is not refused."""
        body = self.responses(after, **changed).fast_path.body
        assert "errors" not in body, body
        page: dict[str, Any] = body["data"]["sessionMetrics"]["page"]
        return page

    def refusal(self, after: str, **changed: Any) -> str:  # noqa: ANN401 - any variable
        """Return the message of the error for a cursor; fields next to the breakdown are intact."""
        body = self.responses(after, **changed).fast_path.body
        (error,) = body["errors"]
        assert body["data"]["sessionMetrics"]["page"] is None
        assert isinstance(body["data"]["sessionMetrics"]["sessionsCreatedCount"], int)
        assert error["path"] == ["sessionMetrics", "page"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "after"}
        message: str = error["message"]
        return message


@given(data=st.data())
def test_pages_together_are_the_ranking_of_the_oracle(
    uncached: Gateway, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """By any measure in any direction, for random sessions, filters, periods and sizes of pages."""
    org_id = next(new_organization)
    ids = st.sampled_from(IDS)
    rows = st.builds(
        lambda row, user, service_user, playbook: {
            **row, "user_id": user, "service_user_id": service_user, "playbook_id": playbook,
        },
        strategies.session_rows(org_id, st.uuids().map(str)),
        *(ids, ids, ids),
    )  # fmt: skip
    stored = data.draw(st.lists(rows, max_size=30))
    uncached.load(stored)
    by = data.draw(st.sampled_from(sorted(ROW_KEYS)))
    period: dict[str, Any] = data.draw(st.just(ALL_TIME) | strategies.periods())
    filters = data.draw(st.just({}) | strategies.filters())
    field = data.draw(st.sampled_from(ORDER_FIELDS))
    direction = data.draw(st.sampled_from(["ASC", "DESC"]))
    first = data.draw(st.integers(1, 4))
    pages = Pages(BothWays(uncached, uncached.token(org_id), monkeypatch), org_id, by)
    pages.variables |= {
        "filters": strategies.graphql_filters(period, filters),
        "first": first,
        "order": {"field": field, "direction": direction},
    }
    ranking = oracle.breakdown(
        stored,
        org_id,
        **period,
        by=by,
        first=100,
        order_field=field,
        direction=direction,
        **filters,
    )
    expected = oracle.select(
        ranking, {"nodes": {**SELECTION, by: None if by in {"origin", "size"} else {"id": None}}}
    )["nodes"]

    after, found = None, []
    while True:
        page = pages.page(after)
        assert page["totalCount"] == len(expected)
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["dataChanged"] is False
        assert (after is None) == (page["nodes"] == [])
        if not page["pageInfo"]["hasNextPage"]:
            break
        assert len(page["nodes"]) == first
    assert found == expected


@pytest.fixture
def pages(uncached: Gateway, monkeypatch: pytest.MonkeyPatch) -> Pages:
    """Return three users: b with four sessions, a and c with two, of half a millionth ACU each."""
    uncached.load(
        {
            "org_id": "org-1",
            "session_id": f"s{number}",
            "created_at": 10 + number,
            "user_id": user,
            "service_user_id": user,
            "acus": number % 2,
        }
        for number, user in enumerate("bbbbaacc")
    )
    return Pages(BothWays(uncached, uncached.token(), monkeypatch), "org-1")


@pytest.fixture
def shared_pages(enterprise_both_ways: BothWays) -> Pages:
    """Return the users of org-1 in the shared gateway, of whom there is one."""
    return Pages(enterprise_both_ways, "org-1")


def test_a_page_after_the_last_row_is_empty(pages: Pages) -> None:
    """It has the number of all rows all the same, and no cursor."""
    everything = pages.page(first=3)
    last = everything["pageInfo"]["endCursor"]

    assert everything["pageInfo"]["hasNextPage"] is False
    empty = {"hasNextPage": False, "endCursor": None, "dataChanged": False}
    assert pages.page(last) == {"nodes": [], "totalCount": 3, "pageInfo": empty}
    assert pages.page(last, with_total_count=False) == {"nodes": [], "pageInfo": empty}


def test_an_empty_page_of_an_empty_ranking(pages: Pages) -> None:
    """Without a row, there is nothing to continue after."""
    nothing = strategies.graphql_filters(ALL_TIME, {"user_ids": []})

    assert pages.page(filters=nothing) == {
        "nodes": [],
        "totalCount": 0,
        "pageInfo": {"hasNextPage": False, "endCursor": None, "dataChanged": False},
    }


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("field", ["SESSIONS_CREATED_COUNT", "AVG_ACUS_PER_SESSION"])
def test_equal_rows_are_ranked_by_id(pages: Pages, field: str, direction: str) -> None:
    """Ascending in both directions, also across pages: all averages are equal."""
    users, after = [], None
    for _ in range(3):
        page = pages.page(after, order={"field": field, "direction": direction})
        users += [node["user"]["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]

    by_count = {"ASC": ["a", "c", "b"], "DESC": ["b", "a", "c"]}
    assert users == (by_count[direction] if field.startswith("SESSIONS") else ["a", "b", "c"])


@only_sqlite
def test_the_size_of_pages_may_change(pages: Pages) -> None:
    """A cursor identifies a row, whatever page it ended."""
    after = pages.page(first=1)["pageInfo"]["endCursor"]

    assert [node["user"]["id"] for node in pages.page(after, first=100)["nodes"]] == ["a", "c"]


@only_sqlite
@pytest.mark.parametrize(
    "changed",
    [
        {"by": "serviceUser"},
        {"by": "origin"},
        {"org": "org-2"},
        {"order": {"field": "SESSIONS_CREATED_COUNT", "direction": "ASC"}},
        {"order": {"field": "PRS_CREATED_COUNT", "direction": "DESC"}},
        *(
            {"filters": strategies.graphql_filters(ALL_TIME, {}) | filters}
            for filters in OTHER_FILTERS
        ),
    ],
    ids=str,
)
def test_a_cursor_of_another_query_is_refused(shared_pages: Pages, changed: dict[str, Any]) -> None:
    """Its row has another rank there, or none."""
    after = shared_pages.page()["pageInfo"]["endCursor"]

    assert shared_pages.refusal(after, **changed) == OF_ANOTHER_QUERY


@only_sqlite
def test_equal_filters_have_the_same_cursors(pages: Pages) -> None:
    """Whatever the order of their values, and however their instants are written."""
    one = strategies.graphql_filters({"time_after": 0, "time_before": 60}, {"user_ids": ["a", "b"]})
    other = {**one, "timeBefore": "1970-01-01T00:01:00Z", "userIds": ["b", "a", "b"]}
    after = pages.page(filters=one)["pageInfo"]["endCursor"]

    assert [node["user"]["id"] for node in pages.page(after, filters=other)["nodes"]] == ["a"]


def encoded(value: object) -> str:
    """Return a value as a cursor is encoded."""
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


DIGEST: Final = "DIGEST"
"""Stands for that of the query."""
DAMAGED: Final[dict[str, Any]] = {
    "empty": "",
    "blank": " ",
    "not base64": "§§§",
    "one character": "A",
    "standard alphabet": "+/+/",
    "a line break": "W10\n",
    "not JSON": encoded("{"),
    "not text": base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    "not a list": encoded({"digest": DIGEST}),
    "null": encoded(None),
    "no parts": encoded([]),
    "nested": encoded("[" * 2_000 + "]" * 2_000),
}
FORGED: Final[dict[str, list[Any]]] = {
    "a part too few": [DIGEST, 1, 1, "a"],
    "a part too many": [DIGEST, 1, 1, "a", 1, 1],
    "no denominator": [DIGEST, 1, 0, "a", 1],
    "a negative denominator": [DIGEST, 1, -1, "a", 1],
    "a huge value": [DIGEST, OUT_OF_RANGE, 1, "a", 1],
    "a huge negative value": [DIGEST, -OUT_OF_RANGE - 1, 1, "a", 1],
    "a huge denominator": [DIGEST, 1, OUT_OF_RANGE, "a", 1],
    "a value of thousands of digits": [DIGEST, HUGE, 1, "a", 1],
    "a huge version": [DIGEST, 1, 1, "a", OUT_OF_RANGE],
    "a fraction": [DIGEST, 1.5, 1, "a", 1],
    "a boolean": [DIGEST, True, 1, "a", 1],
    "a text": [DIGEST, "1", 1, "a", 1],
    "null in place of the id": [DIGEST, 1, 1, None, 1],
    "a number in place of the id": [DIGEST, 1, 1, 7, 1],
    "an unpaired surrogate": [DIGEST, 1, 1, "\ud800", 1],
    "no digest": [None, 1, 1, "a", 1],
}


@only_sqlite
@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_cursor_is_refused(shared_pages: Pages, damaged: str) -> None:
    """The error names the argument, and what it must be."""
    assert shared_pages.refusal(damaged) == NOT_A_CURSOR


@only_sqlite
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_cursor_is_refused(shared_pages: Pages, forged: list[Any]) -> None:
    """Also with the digest of the query."""
    digest, *_ = decoded(shared_pages.page()["pageInfo"]["endCursor"])
    parts = [digest if part is DIGEST else part for part in forged]

    assert shared_pages.refusal(encoded_with_huge_numbers(parts)) == NOT_A_CURSOR


@only_sqlite
@pytest.mark.parametrize("row_id", ["\0", "a\0b"])
def test_a_cursor_with_an_id_that_no_database_can_store_is_refused(
    shared_pages: Pages, row_id: str
) -> None:
    """As such an id is in a filter."""
    digest, *_ = decoded(shared_pages.page()["pageInfo"]["endCursor"])

    assert shared_pages.refusal(encoded([digest, 1, 1, row_id, 1])) == (
        "`after` must not contain NUL or unpaired surrogates."
    )


@pytest.mark.parametrize("field", ["SESSIONS_CREATED_COUNT", "AVG_ACUS_PER_SESSION"])
@pytest.mark.parametrize("value", [OUT_OF_RANGE - 1, -OUT_OF_RANGE, 0])
@pytest.mark.parametrize("denominator", [1, 3, OUT_OF_RANGE - 1])
def test_a_cursor_with_extreme_numbers_is_accepted(
    pages: Pages, field: str, value: int, denominator: int
) -> None:
    """The page has the rows after them, on every engine."""
    order = {"field": field, "direction": "ASC"}
    digest, *_ = decoded(pages.page(order=order)["pageInfo"]["endCursor"])
    cursor = encoded_with_huge_numbers([digest, value, denominator, "", OUT_OF_RANGE - 1])
    page = pages.page(cursor, order=order, first=100)

    ranked = [2, 2, 4] if field == "SESSIONS_CREATED_COUNT" else [Fraction(1, 2)] * 3
    assert len(page["nodes"]) == sum(each >= Fraction(value, denominator) for each in ranked)
    assert page["totalCount"] == 3
    assert page["pageInfo"]["dataChanged"] is True


def decoded(cursor: str) -> list[Any]:
    """Return the parts of a cursor."""
    parts: list[Any] = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return parts


def encoded_with_huge_numbers(parts: list[Any]) -> str:
    """Return a cursor of parts, of which integers may have any number of digits."""
    return encoded(f"[{', '.join(map(as_json, parts))}]")


def as_json(part: object) -> str:
    """Return a part in JSON."""
    return "1" + "0" * 5_000 if part == HUGE else json.dumps(part)


def test_changed_data_is_reported(uncached: Gateway, pages: Pages) -> None:
    """On the pages after those that were read before a change, not on the first one."""
    session = {"org_id": "org-1", "session_id": "new", "created_at": 50, "user_id": "a"}
    after = pages.page()["pageInfo"]["endCursor"]
    assert pages.page(after)["pageInfo"]["dataChanged"] is False

    uncached.load([{**session, "org_id": "org-2"}])
    assert pages.page(after)["pageInfo"]["dataChanged"] is False
    uncached.load([session])

    assert pages.page()["pageInfo"]["dataChanged"] is False
    changed = pages.page(after)
    assert changed["pageInfo"]["dataChanged"] is True
    assert changed["totalCount"] == 3
    # A page that was read after the change is continued without a warning.
    assert pages.page(changed["pageInfo"]["endCursor"])["pageInfo"]["dataChanged"] is False


def test_a_change_of_any_organization_is_reported_for_the_enterprise(gateway: Gateway) -> None:
    """Its rows may be organizations that were not known before."""
    query = """
      query ($after: String) {
        enterpriseSessionMetrics(filters: {timeAfter: 0, timeBefore: 100}) {
          byOrganization(first: 1, after: $after) {
            nodes { organization { id } } totalCount pageInfo { endCursor dataChanged }
          }
        }
      }
    """
    token = gateway.token()

    def page(after: str | None) -> dict[str, Any]:
        body = gateway.graphql(query, token, {"after": after}).json()
        found: dict[str, Any] = body["data"]["enterpriseSessionMetrics"]["byOrganization"]
        return found

    gateway.load(
        {"org_id": f"org-{number}", "session_id": "s", "created_at": 5} for number in range(2)
    )
    after = page(None)["pageInfo"]["endCursor"]
    unchanged = page(after)
    gateway.load([{"org_id": "org-9", "session_id": "s", "created_at": 5}])
    changed = page(after)

    assert unchanged["pageInfo"]["dataChanged"] is False
    assert changed["pageInfo"]["dataChanged"] is True
    assert (unchanged["totalCount"], changed["totalCount"]) == (2, 3)
    assert unchanged["nodes"] == changed["nodes"] == [{"organization": {"id": "org-1"}}]
