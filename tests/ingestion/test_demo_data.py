"""Demo data: reproducible, and distributed like the sessions of real organizations."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest

from metrics_graphql.core.sessions import (
    MAX_ACUS_PER_SESSION,
    MICROS_PER_ACU,
    PUBLIC_ORIGINS,
    PUBLIC_SIZES,
    SessionUpdate,
)
from metrics_graphql.ingestion.demo_data import DEMO_ORGANIZATIONS, DEMO_SECONDS, demo_sessions

COUNT = 20_000
UNTIL = int(datetime(2026, 5, 14, 15, 30, 7, tzinfo=UTC).timestamp())
DAY = 86_400
MONTH = 30 * DAY


@pytest.fixture(scope="module")
def updates() -> list[SessionUpdate]:
    """Return demo sessions, generated once for all tests."""
    return list(demo_sessions(COUNT, until=UNTIL))


@pytest.fixture(scope="module")
def rows(updates: list[SessionUpdate]) -> list[dict[str, Any]]:
    """Return the values of all sessions."""
    return [dict(update.values) for update in updates]


def keys(updates: Iterable[SessionUpdate]) -> list[tuple[str, str]]:
    """Return the key of each session, in order."""
    return [(update.org_id, update.session_id) for update in updates]


def test_keys_are_unique(updates: list[SessionUpdate]) -> None:
    """There are exactly `count` sessions."""
    assert len(updates) == COUNT
    assert len(set(keys(updates))) == COUNT


@pytest.mark.parametrize("count", [0, 1, 7, 1_001])
def test_small_counts(count: int) -> None:
    """Counts that the organizations' shares do not divide are exact too."""
    assert len(list(demo_sessions(count, until=UNTIL))) == count


def test_every_field_is_set(updates: list[SessionUpdate]) -> None:
    """No field of a new session is a default."""
    fields = {
        *("created_at", "origin", "size", "user_id", "service_user_id", "playbook_id"),
        *("used_search", "has_merged_pr", "acus"),
        *("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count"),
    }
    for update in updates:
        assert update.values.keys() == fields
        assert update.applied_to(None).session_id == update.session_id


def test_sessions_are_reproducible(updates: list[SessionUpdate]) -> None:
    """The same arguments give the same sessions in the same order."""
    assert list(demo_sessions(COUNT, until=UNTIL)) == updates


def test_another_seed_gives_other_sessions(updates: list[SessionUpdate]) -> None:
    """Of the same organizations."""
    others = list(demo_sessions(COUNT, until=UNTIL, seed=21))
    assert not set(keys(others)) & set(keys(updates))
    assert {update.org_id for update in others} == set(DEMO_ORGANIZATIONS)


def test_ids_do_not_depend_on_until(updates: list[SessionUpdate]) -> None:
    """So loading a demo again on another day replaces its sessions."""
    assert keys(demo_sessions(COUNT, until=UNTIL + 3 * DAY)) == keys(updates)


def test_the_period_is_filled(rows: list[dict[str, Any]]) -> None:
    """Sessions are created from its first day to its last, and at no other time."""
    times = [row["created_at"] for row in rows]
    assert UNTIL - DEMO_SECONDS <= min(times) < UNTIL - DEMO_SECONDS + DAY
    assert UNTIL - DAY < max(times) < UNTIL


def test_sessions_of_an_organization_are_in_order(updates: list[SessionUpdate]) -> None:
    """By their creation, as in real exports."""
    for org_id in DEMO_ORGANIZATIONS:
        times = [update.values["created_at"] for update in updates if update.org_id == org_id]
        assert times == sorted(times)


def test_organizations_differ_in_size(updates: list[SessionUpdate]) -> None:
    """They are listed largest first; each is more than twice the next."""
    sizes = Counter(update.org_id for update in updates)
    assert set(sizes) == set(DEMO_ORGANIZATIONS)
    counts = [sizes[org_id] for org_id in DEMO_ORGANIZATIONS]
    assert all(larger > 2 * smaller for larger, smaller in pairwise(counts))
    assert counts[0] > 100 * counts[-1]


def test_weekdays_are_busier(rows: list[dict[str, Any]]) -> None:
    """More than three times as busy as the days of a weekend."""
    days = Counter(datetime.fromtimestamp(row["created_at"], UTC).weekday() for row in rows)
    weekday = fmean(days[day] for day in range(5))
    assert weekday > 3 * fmean((days[5], days[6]))


def test_time_zones(updates: list[SessionUpdate]) -> None:
    """The busiest hours of organizations differ, because they are in different time zones."""
    busiest = set()
    for org_id in DEMO_ORGANIZATIONS[:3]:
        hours = Counter(
            datetime.fromtimestamp(update.values["created_at"], UTC).hour
            for update in updates
            if update.org_id == org_id
        )
        (hour, most), *_ = hours.most_common()
        assert most > 5 * hours[(hour + 12) % 24]
        busiest.add(hour)
    assert len(busiest) == 3


def test_growth(rows: list[dict[str, Any]]) -> None:
    """The last month has between two and four times the sessions of the first."""
    first = sum(row["created_at"] < UNTIL - DEMO_SECONDS + MONTH for row in rows)
    last = sum(row["created_at"] >= UNTIL - MONTH for row in rows)
    assert 2 * first < last < 4 * first


def test_search_use_rises(rows: list[dict[str, Any]]) -> None:
    """Its rate in the last month is more than twice that of the first."""
    first = [row["used_search"] for row in rows if row["created_at"] < UNTIL - DEMO_SECONDS + MONTH]
    last = [row["used_search"] for row in rows if row["created_at"] >= UNTIL - MONTH]
    assert 0 < fmean(first) < fmean(last) / 2


def test_origins(rows: list[dict[str, Any]]) -> None:
    """Public, scheduled, legacy and unknown origins all occur, and so does null."""
    stored = {origin for origins in PUBLIC_ORIGINS.values() for origin in origins}
    uncounted = {"cli", "vscode_extension", "devin_spaces", "other", None}
    assert {row["origin"] for row in rows} == stored | uncounted


def test_sizes(rows: list[dict[str, Any]]) -> None:
    """All sizes occur; less than 3 % of the sessions have none."""
    sizes = Counter(row["size"] for row in rows)
    assert set(sizes) == {*PUBLIC_SIZES, None}
    assert sizes[None] < 0.03 * COUNT


def test_acus(rows: list[dict[str, Any]]) -> None:
    """ACUs are whole millionths within the limit; their average rises with the size."""
    assert all(type(row["acus"]) is int for row in rows)
    assert all(0 < row["acus"] < MAX_ACUS_PER_SESSION * MICROS_PER_ACU for row in rows)
    averages = [fmean(row["acus"] for row in rows if row["size"] == size) for size in PUBLIC_SIZES]
    assert all(1.5 * less < more for less, more in pairwise(averages))


def test_merges_depend_on_size(rows: list[dict[str, Any]]) -> None:
    """Small and medium sessions are merged most often, extra large ones least often."""
    xs, s, m, large, xl = (
        fmean(row["has_merged_pr"] for row in rows if row["size"] == size) for size in PUBLIC_SIZES
    )
    assert min(s, m) > max(xs, large)
    assert xl < min(xs, large)


def test_merges_are_delayed(rows: list[dict[str, Any]]) -> None:
    """Sessions of the last two days have far fewer merges than earlier ones."""
    tail = [row["has_merged_pr"] for row in rows if row["created_at"] >= UNTIL - 2 * DAY]
    before = [row["has_merged_pr"] for row in rows if row["created_at"] < UNTIL - MONTH]
    assert 0 < fmean(tail) < fmean(before) / 1.5


def test_creators(rows: list[dict[str, Any]]) -> None:
    """Each session has a user or a service user; few have both."""
    kinds = Counter(
        (row["user_id"] is not None, row["service_user_id"] is not None) for row in rows
    )
    assert set(kinds) == {(True, False), (False, True), (True, True)}
    assert kinds[True, True] < kinds[False, True] < kinds[True, False]


def test_origins_of_service_users(rows: list[dict[str, Any]]) -> None:
    """Service users create sessions through the API, automations and schedules only."""
    origins = {row["origin"] for row in rows if row["service_user_id"] is not None}
    assert origins == {"api", "automation", "scheduled"}


def test_users_are_skewed(updates: list[SessionUpdate]) -> None:
    """A tenth of an organization's users create more than a third of its users' sessions."""
    largest = [update.values for update in updates if update.org_id == DEMO_ORGANIZATIONS[0]]
    users = Counter(values["user_id"] for values in largest if values["user_id"] is not None)
    busiest = sum(count for _, count in users.most_common(len(users) // 10))
    assert busiest > users.total() / 3


def test_playbooks_are_skewed(rows: list[dict[str, Any]]) -> None:
    """About a third of the sessions have a playbook; one playbook is used far more than others."""
    playbooks = Counter(row["playbook_id"] for row in rows if row["playbook_id"] is not None)
    assert 0.3 * COUNT < playbooks.total() < 0.4 * COUNT
    assert playbooks.most_common(1)[0][1] > 5 * playbooks.total() / len(playbooks)


def test_ids_have_no_comma(rows: list[dict[str, Any]]) -> None:
    """The REST API joins the ids of a filter with commas."""
    for name in ("user_id", "service_user_id", "playbook_id"):
        assert not any("," in (row[name] or "") for row in rows)
