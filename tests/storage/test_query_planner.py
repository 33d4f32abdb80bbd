"""The query planner: which ranges of roll-ups and of raw sessions a query reads."""

from typing import Any

from metrics_graphql.core.periods import DAY, FIFTEEN_DAYS, FIVE_DAYS, HOUR, THIRTY_DAYS
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.storage.dialects import TimeRange
from metrics_graphql.storage.dialects.from_url import dialect_for
from metrics_graphql.storage.query_planner import plan_query

SQLITE = dialect_for("sqlite:///metrics.db")


def ranges(
    query: SessionMetricsQuery, *more: SessionMetricsQuery, grouped_by: str | None = None
) -> set[TimeRange]:
    """Return the ranges that queries with different periods read."""
    plan = plan_query(query, SQLITE.rollup_dimensions, grouped_by=grouped_by)
    return set(plan.ranges(SQLITE, [each.period for each in (query, *more)]))


def query(after: int, before: int, **filters: Any) -> SessionMetricsQuery:  # noqa: ANN401 - any filter
    """Return a query."""
    return SessionMetricsQuery.from_params(
        tenant="org-1", time_after=after, time_before=before, **filters
    )


def test_only_breakdowns_of_all_users_read_fifteen_days() -> None:
    """A filtered query has fewer ranges, in each of which it looks each user up."""
    all_users = query(10 * DAY, 60 * DAY)
    one_user = query(10 * DAY, 60 * DAY, user_ids=["user-1"])

    assert ranges(all_users, grouped_by="user_id") == {
        TimeRange(0, FIVE_DAYS, 10 * DAY, 15 * DAY),
        TimeRange(0, FIFTEEN_DAYS, 15 * DAY, 30 * DAY),
        TimeRange(0, THIRTY_DAYS, 30 * DAY, 60 * DAY),
    }
    assert ranges(one_user, grouped_by="user_id") == {
        TimeRange(-1, FIVE_DAYS, 0, 10 * DAY),
        TimeRange(0, THIRTY_DAYS, 0, 60 * DAY),
    }


def test_totals_subtract_nothing() -> None:
    """An hour less than two days: the raw sessions of 23 hours, and a day."""
    assert ranges(query(HOUR, 2 * DAY, sizes=["s"])) == {
        TimeRange(0, 0, HOUR, DAY),
        TimeRange(0, DAY, DAY, 2 * DAY),
    }


def late_days(**filters: Any) -> set[TimeRange]:  # noqa: ANN401 - any filter
    """Return the ranges of two days that begin an hour late."""
    return ranges(*(query(start + HOUR, start + DAY + HOUR, **filters) for start in (0, DAY)))


def test_a_series_subtracts_raw_sessions() -> None:
    """Of each day, it reads two hours of raw sessions: one is added, and one is subtracted."""
    assert late_days(sizes=["s"]) == {
        TimeRange(-2, 0, 0, HOUR),
        TimeRange(0, DAY, 0, DAY),
        TimeRange(0, 0, DAY, DAY + HOUR),
        TimeRange(-1, 0, DAY, DAY + HOUR),
        TimeRange(1, DAY, DAY, 2 * DAY),
        TimeRange(1, 0, 2 * DAY, 2 * DAY + HOUR),
    }


def test_a_series_of_ids_subtracts_no_raw_sessions() -> None:
    """It looks each id up once, in a range that is merged from all days."""
    assert late_days(user_ids=["user-1"]) == {
        TimeRange(0, 0, HOUR, DAY + HOUR),
        TimeRange(1, 0, DAY + HOUR, 2 * DAY + HOUR),
    }
