"""A second implementation of all metrics, which the results of the product must equal.

It counts plain rows (dicts) one at a time. It imports nothing of the product and shares no code
with it, and is written to be obviously correct rather than fast.

A row has the keys org_id, session_id, created_at (Unix seconds), origin, size, user_id,
service_user_id, playbook_id, used_search, has_merged_pr, acus (millionths), pr_count,
open_pr_count, merged_pr_count and closed_pr_count (these four are 0 if they are left out).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Rows = Sequence[Row]
Result = dict[str, Any]

SIZES = ("xs", "s", "m", "l", "xl")
SESSION_FIELDS = (
    "sessions_created_count",
    "sessions_created_by_size",
    "sessions_created_by_origin",
    "sessions_created_with_playbook_count",
    "sessions_created_with_search_count",
    "sessions_with_merged_prs_count",
    "sessions_with_merged_prs_by_size",
    "avg_acus_per_session",
)
PULL_REQUEST_FIELDS = (
    "prs_created_count",
    "prs_opened_count",
    "prs_merged_count",
    "prs_closed_count",
)
ORIGINS = ("api", "automation", "desktop", "jira", "linear", "slack", "teams", "webapp")
COLUMNS = {
    "user": "user_id",
    "serviceUser": "service_user_id",
    "playbook": "playbook_id",
    "organization": "org_id",
}

MINUTE, QUARTER_HOUR, TWO_DAYS = 60, 15 * 60, 2 * 24 * 60 * 60


class Filters(TypedDict, total=False):
    """The filters of a query. One that is None or left out restricts nothing."""

    org_ids: Sequence[str] | None
    user_ids: Sequence[str] | None
    service_user_ids: Sequence[str] | None
    playbook_ids: Sequence[str] | None
    origins: Sequence[str] | None
    sizes: Sequence[str] | None
    has_merged_pr: bool | None


def rest(
    rows: Rows, org_id: str | None, time_after: int, time_before: int, **filters: Unpack[Filters]
) -> Result:
    """Return the body of a SessionMetricsResponse; without an organization, of all of them."""
    matching = _matching(rows, org_id, time_after, time_before, filters)
    measures = _measures(matching)
    for counts in measures.values():
        if isinstance(counts, dict):
            del counts["other"]
    return {name: measures[name] for name in SESSION_FIELDS}


def rest_pull_requests(
    rows: Rows, org_id: str | None, time_after: int, time_before: int, **filters: Unpack[Filters]
) -> Result:
    """Return the body of a PrMetricsResponse; without an organization, of all of them."""
    matching = _matching(rows, org_id, time_after, time_before, filters)
    measures = _measures(matching)
    return {name: measures[name] for name in PULL_REQUEST_FIELDS}


def graphql(
    rows: Rows, org_id: str | None, time_after: int, time_before: int, **filters: Unpack[Filters]
) -> Result:
    """Return the same measures under their GraphQL names."""
    return _camel_case(_measures(_matching(rows, org_id, time_after, time_before, filters)))


def select(result: Result, selection: dict[str, Any]) -> Result:
    """Return the part of a result that is selected, in the order of the selection.

    A selection maps each field name to None (a leaf) or to the selection inside it.
    """
    return {name: _selected(result[name], inner) for name, inner in selection.items()}


def time_series(  # noqa: PLR0913, PLR0917 - a period and how to cut it
    rows: Rows,
    org_id: str | None,
    time_after: int,
    time_before: int,
    interval: str,
    time_zone: str,
    **filters: Unpack[Filters],
) -> list[Result]:
    """Return the measures of each interval of a period (from 1973 on), oldest first, with zeros.

    An interval (HOUR, DAY, WEEK, MONTH) is that of the calendar in the time zone; the first and
    the last one are clipped to the period.
    """
    if time_after >= time_before:
        return []
    starts = _starts(time_after, time_before, interval, ZoneInfo(time_zone))
    matching = _matching(rows, org_id, time_after, time_before, filters)
    return [
        {**graphql(matching, org_id, start, end), "period": _period(start, end)}
        for start, end in pairwise([time_after, *starts, time_before])
    ]


def breakdown(  # noqa: PLR0913 - a period, and the arguments of a breakdown
    rows: Rows,
    org_id: str | None,
    time_after: int,
    time_before: int,
    *,
    by: str = "user",
    first: int = 25,
    skip: int = 0,
    order_field: str = "SESSIONS_CREATED_COUNT",
    direction: str = "DESC",
    **filters: Unpack[Filters],
) -> Result:
    """Return the measures of each user, playbook, origin..., ranked, without the first `skip` ones.

    `by` is the name of the field that identifies a row. Ties are ranked by ID, ascending.
    """
    groups: dict[str, list[Row]] = {}
    for row in _matching(rows, org_id, time_after, time_before, filters):
        key = row[COLUMNS[by]] if by in COLUMNS else {"origin": _origin, "size": _size}[by](row)
        if key is not None:
            groups.setdefault(key, []).append(row)
    # Sorting is stable: the second sort keeps the order of the first among equals.
    found = sorted(groups.items())
    found.sort(
        key=lambda item: _order_value(item[1], order_field),
        reverse={"ASC": False, "DESC": True}[direction],
    )
    nodes = [
        {**_camel_case(_measures(group)), by: {"id": key} if by in COLUMNS else key.upper()}
        for key, group in found
    ]
    return {
        "nodes": nodes[skip : skip + first],
        "totalCount": len(nodes),
        "hasNextPage": skip + first < len(nodes),
    }


def previous_period(
    rows: Rows, org_id: str | None, time_after: int, time_before: int, **filters: Unpack[Filters]
) -> Result:
    """Return the measures of the equally long period before, and the change since then."""
    start = time_after - (time_before - time_after)
    current = _matching(rows, org_id, time_after, time_before, filters)
    previous = _matching(rows, org_id, start, time_after, filters)
    after, before = _camel_case(_measures(current)), _camel_case(_measures(previous))
    change: Result = {}
    for name, value in after.items():
        if isinstance(value, dict):
            change[name] = {
                member: _change(Fraction(before[name][member]), Fraction(count))
                for member, count in value.items()
            }
        else:
            change[name] = _change(Fraction(before[name]), Fraction(value))
    change["avgAcusPerSession"] = _change(_average(previous), _average(current))
    change["acusConsumed"] = _change(_acus(previous), _acus(current))
    return {**before, "period": _period(start, time_after), "change": change}


def _matching(
    rows: Rows, org_id: str | None, time_after: int, time_before: int, filters: Filters
) -> list[Row]:
    """Return the matching sessions of an organization, or of all, in [time_after, time_before)."""
    org_ids = filters.get("org_ids")
    users, service_users = filters.get("user_ids"), filters.get("service_user_ids")
    playbooks, merged = filters.get("playbook_ids"), filters.get("has_merged_pr")
    origins, sizes = filters.get("origins"), filters.get("sizes")
    any_creator = users is None and service_users is None
    return [
        row
        for row in rows
        if org_id in (row["org_id"], None)
        and (org_ids is None or row["org_id"] in org_ids)
        and time_after <= row["created_at"] < time_before
        and (playbooks is None or row["playbook_id"] in playbooks)
        and (origins is None or _origin(row) in origins)
        and (sizes is None or _size(row) in sizes)
        and (merged is None or bool(row["has_merged_pr"]) == merged)
        and (
            any_creator
            or row["user_id"] in (users or ())
            or row["service_user_id"] in (service_users or ())
        )
    ]


def _measures(rows: Rows) -> Result:
    """Return every measure of these sessions, under its name in snake case."""
    merged = [row for row in rows if row["has_merged_pr"]]
    origins = [_origin(row) for row in rows]
    return {
        "sessions_created_count": len(rows),
        "sessions_created_by_size": _by_size(rows),
        "sessions_created_by_origin": {
            origin: origins.count(origin) for origin in (*ORIGINS, "other")
        },
        "sessions_created_with_playbook_count": sum(r["playbook_id"] is not None for r in rows),
        "sessions_created_with_search_count": sum(bool(row["used_search"]) for row in rows),
        "sessions_with_merged_prs_count": len(merged),
        "sessions_with_merged_prs_by_size": _by_size(merged),
        "prs_created_count": sum(row.get("pr_count", 0) for row in rows),
        "prs_opened_count": sum(row.get("open_pr_count", 0) for row in rows),
        "prs_merged_count": sum(row.get("merged_pr_count", 0) for row in rows),
        "prs_closed_count": sum(row.get("closed_pr_count", 0) for row in rows),
        "acus_consumed": float(_acus(rows)),
        "avg_acus_per_session": float(_average(rows)),
    }


def _by_size(rows: Rows) -> dict[str, int]:
    """Return the number of sessions of each size. Unknown sizes and no size count as "other"."""
    return {size: sum(_size(row) == size for row in rows) for size in (*SIZES, "other")}


def _size(row: Row) -> str:
    """Return the public size of a session."""
    return str(row["size"]) if row["size"] in SIZES else "other"


def _origin(row: Row) -> str:
    """Return the public origin of a session."""
    if row["origin"] == "scheduled":
        return "automation"
    return str(row["origin"]) if row["origin"] in ORIGINS else "other"


def _order_value(rows: Rows, order_field: str) -> Fraction:
    """Return the exact value of a measure, whose name is that of the enum's value."""
    if order_field == "AVG_ACUS_PER_SESSION":
        return _average(rows)
    if order_field == "ACUS_CONSUMED":
        return _acus(rows)
    measures = _measures(rows)
    values = {
        **{
            f"{name}_{member}".upper(): count
            for name, counts in measures.items()
            if isinstance(counts, dict)
            for member, count in counts.items()
        },
        **{name.upper(): value for name, value in measures.items()},
    }
    return Fraction(values[order_field])


def _acus(rows: Rows) -> Fraction:
    """Return the exact number of ACUs."""
    return Fraction(sum(row["acus"] for row in rows), 1_000_000)


def _average(rows: Rows) -> Fraction:
    """Return the exact number of ACUs per session; 0 for no sessions."""
    total = sum(row["acus"] for row in rows)
    return Fraction(total, 1_000_000 * len(rows)) if rows else Fraction(0)


def _change(previous: Fraction, current: Fraction) -> float | None:
    """Return the relative change; None from 0."""
    return None if previous == 0 else float((current - previous) / previous)


def _camel_case(measures: Result) -> Result:
    """Return measures under GraphQL names. Those of sizes and origins are the same in both."""
    return {re.sub("_.", lambda at: at[0][1].upper(), name): measures[name] for name in measures}


def _selected(value: object, selection: dict[str, Any] | None) -> object:
    """Return a leaf, the selected fields of an object, or those of each object in a list."""
    if selection is None or value is None:
        return value
    if isinstance(value, list):
        return [_selected(item, selection) for item in value]
    assert isinstance(value, dict), f"{value!r} is a leaf, which has no fields"
    return select(value, selection)


def _period(start: int, end: int) -> dict[str, str]:
    """Return a TimePeriod, with instants as `YYYY-MM-DDTHH:MM:SSZ`."""
    starts, ends = (datetime.fromtimestamp(t, UTC).replace(tzinfo=None) for t in (start, end))
    return {"startsAt": f"{starts.isoformat()}Z", "endsAt": f"{ends.isoformat()}Z"}


def _starts(time_after: int, time_before: int, interval: str, zone: ZoneInfo) -> list[int]:
    """Return the instants after the start of a period at which an interval starts.

    An hour starts when the clock shows another hour or changes its offset. A day, week or month
    starts at the first instant with its date or a later one: if the clock is set back into the day
    before, that hour belongs to the new day. Therefore the search starts two days before the
    period.

    It proceeds by quarter hours, and by minutes within those in which the clock changes: St.
    John's set its clock at 00:01 until 2011, and Kiritimati was 10:40 behind UTC until 1979.
    """
    assert datetime.fromtimestamp(time_after, UTC).year >= 1973, "offsets were not whole minutes"
    first = (time_after - TWO_DAYS) // QUARTER_HOUR * QUARTER_HOUR
    latest, _ = clock = _clock(first, interval, zone)
    starts = []
    for quarter in range(first, time_before, QUARTER_HOUR):
        end = quarter + QUARTER_HOUR
        before, clock = clock, _clock(end, interval, zone)
        if clock == before:
            continue
        for instant in range(quarter + MINUTE, end + MINUTE, MINUTE):
            label, _ = _clock(instant, interval, zone)
            if label > latest or (interval == "HOUR" and label != latest):
                latest = label
                starts.append(instant)
    return [instant for instant in starts if time_after < instant < time_before]


def _clock(instant: int, interval: str, zone: ZoneInfo) -> tuple[tuple[int, ...], timedelta]:
    """Return the label of the interval of an instant (later ones sort later), and the offset."""
    local = datetime.fromtimestamp(instant, zone)
    offset = local.utcoffset() or timedelta(0)
    monday = local.date() - timedelta(days=local.weekday())
    labels = {
        "HOUR": (local.year, local.month, local.day, local.hour, int(offset.total_seconds())),
        "DAY": (local.year, local.month, local.day),
        "WEEK": (monday.year, monday.month, monday.day),
        "MONTH": (local.year, local.month),
    }
    return labels[interval], offset
