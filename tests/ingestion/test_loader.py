"""Loading: stored sessions and counts after files, replays, newer versions and rejected rows."""

import gzip
import json
from collections.abc import Callable, Iterable
from itertools import count as numbers
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.sessions import Session, SessionUpdate
from metrics_graphql.ingestion.loader import Loader, LoadSummary, StrictLoadFailed
from metrics_graphql.ingestion.reader import FileReader
from metrics_graphql.ingestion.row_parser import SessionParser
from metrics_graphql.ingestion.rows import RejectedRow, Row
from metrics_graphql.storage.database_sessions import DatabaseSessionStore
from metrics_graphql.storage.ingest import read_stored
from tests import oracle, strategies
from tests.conftest import Gateway
from tests.ingestion.counts import pull_requests
from tests.ingestion.test_formats import as_csv, as_ndjson, as_page, parse

BATCH_SIZE = DatabaseSessionStore.batch_size
ALL_TIME: dict[str, Any] = {"time_after": 0, "time_before": 2**62}
MANY = [{"session_id": f"{at:032x}", "created_at": at} for at in range(3 * BATCH_SIZE)]
new_organization = map("org-{}".format, numbers())

FULL: dict[str, Any] = {
    "session_id": "a",
    "created_at": 10,
    "origin": "slack",
    "session_size": "s",
    "user_id": "user-1",
    "service_user_id": "service-1",
    "playbook_id": "playbook-1",
    "used_search": True,
    "acus_consumed": 1.5,
    "pull_requests": [{"pr_url": "https://example.com/1", "pr_state": "merged"}],
}
STORED = Session(
    *("org-1", "a", 10, "slack", "s", "user-1", "service-1", "playbook-1"),
    used_search=True,
    has_merged_pr=True,
    acus=1_500_000,
    pr_count=1,
    merged_pr_count=1,
)


class Loaded(NamedTuple):
    """The result of a load."""

    inserted: int
    updated: int
    unchanged: int
    rejected: list[tuple[str, str]]
    """The location and the field at fault of each rejected row, in the order of reports."""


def load(gateway: Gateway, rows: Iterable[Row[SessionUpdate]], *, strict: bool = False) -> Loaded:
    """Load rows, and check that the summary adds up."""
    rejections: list[RejectedRow] = []
    loader = Loader(gateway.storage.sessions, on_rejection=rejections.append)
    gateway.run((loader.load_strict if strict else loader.load)(rows))
    summary = loader.summary
    assert summary.rejected == len(rejections)
    assert summary.read == (
        summary.inserted + summary.updated + summary.unchanged + summary.rejected
    )
    fields = [(row.location, row.reason.replace(":", " ").split()[0]) for row in rejections]
    return Loaded(summary.inserted, summary.updated, summary.unchanged, fields)


def lines(*rows: dict[str, Any] | str) -> Iterable[Row[SessionUpdate]]:
    """Return the rows of newline-delimited JSON; org-1 is the default organization."""
    texts = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    return parse("\n".join(texts).encode())


def many(rows: int) -> Iterable[Row[SessionUpdate]]:
    """Return that many rows, each of another session."""
    return lines(*({"session_id": f"s{at:06}", "created_at": at} for at in range(rows)))


def consistent(row: dict[str, Any]) -> dict[str, Any]:
    """Return a random row of the oracle, with pull requests as a file can give them."""
    closed = min(row["closed_pr_count"], 1_000)
    states = row["open_pr_count"] + row["merged_pr_count"] + closed
    return {
        **row,
        "has_merged_pr": row["merged_pr_count"] > 0,
        "closed_pr_count": closed,
        "pr_count": max(row["pr_count"], states),
    }


def as_file_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the oracle with the field names of a file."""
    return {
        **{
            name: row[name]
            for name in row
            if name not in {"org_id", "size", "has_merged_pr", "acus"}
        },
        "session_size": row["size"],
        "acus_consumed": f"{row['acus'] // 10**6}.{row['acus'] % 10**6:06}",
    }


def stored(gateway: Gateway, *session_ids: str, org_id: str = "org-1") -> list[Session]:
    """Return those of these sessions that are stored."""
    updates = [SessionUpdate(org_id, session_id, {}) for session_id in session_ids]

    async def read() -> list[Session]:
        async with gateway.database.connect() as connection:
            found = await read_stored(connection, gateway.database.dialect, updates)
        return [found[org_id, name] for name in session_ids if (org_id, name) in found]

    return gateway.run(read())


def count(gateway: Gateway, org_id: str = "org-1") -> int:
    """Return the number of sessions of an organization, by the REST API."""
    response = gateway.rest(org_id, gateway.token(org_id), **ALL_TIME)
    return int(response.json()["sessions_created_count"])


def test_every_field_is_stored(gateway: Gateway) -> None:
    """Each in its column."""
    assert load(gateway, lines(FULL)) == Loaded(1, 0, 0, [])
    assert stored(gateway, "a") == [STORED]


def test_missing_fields_of_a_new_session_are_empty(gateway: Gateway) -> None:
    """Only `created_at` is required."""
    load(gateway, lines({"session_id": "a", "created_at": 10}))

    assert stored(gateway, "a") == [Session("org-1", "a", 10)]


def test_loading_twice_changes_nothing(gateway: Gateway) -> None:
    """The second time, every row counts as unchanged; in several batches."""
    rows = BATCH_SIZE + 500

    assert load(gateway, many(rows)) == Loaded(rows, 0, 0, [])
    assert load(gateway, many(rows)) == Loaded(0, 0, rows, [])
    assert count(gateway) == rows


def test_a_newer_version_replaces_the_stored_session(gateway: Gateway) -> None:
    """In every field, `created_at` included."""
    newer = {
        "session_id": "a",
        "created_at": 20,
        "origin": "webapp",
        "size": "xl",
        "user_id": "user-2",
        "service_user_id": None,
        "playbook_id": "playbook-2",
        "used_search": False,
        "acus_consumed": "0.1",
        "merged_pr_count": 0,
    }
    load(gateway, lines(FULL))

    assert load(gateway, lines(newer)) == Loaded(0, 1, 0, [])
    assert stored(gateway, "a") == [
        Session("org-1", "a", 20, "webapp", "xl", "user-2", None, "playbook-2", acus=100_000)
    ]
    assert count(gateway) == 1


@pytest.mark.parametrize("field", sorted(FULL.keys() - {"session_id"}))
def test_missing_fields_of_a_stored_session_keep_their_values(gateway: Gateway, field: str) -> None:
    """So a row may have only the fields that changed."""
    load(gateway, lines(FULL))
    rest = {name: value for name, value in FULL.items() if name != field}

    assert load(gateway, lines(rest)) == Loaded(0, 0, 1, [])
    assert load(gateway, lines({"session_id": "a"})) == Loaded(0, 0, 1, [])
    assert stored(gateway, "a") == [STORED]


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("origin", "origin"),
        ("session_size", "size"),
        ("size", "size"),
        ("user_id", "user_id"),
        ("service_user_id", "service_user_id"),
        ("playbook_id", "playbook_id"),
    ],
)
def test_null_clears_a_nullable_field(gateway: Gateway, field: str, column: str) -> None:
    """The other fields keep their values."""
    load(gateway, lines(FULL))

    assert load(gateway, lines({"session_id": "a", field: None})) == Loaded(0, 1, 0, [])
    cleared: dict[str, Any] = {column: None}
    assert stored(gateway, "a") == [STORED._replace(**cleared)]


def test_null_in_another_field_is_ignored(gateway: Gateway) -> None:
    """As if the field were missing."""
    load(gateway, lines(FULL))
    nulls = dict.fromkeys(
        (
            *("created_at", "used_search", "acus_consumed", "pull_requests"),
            *("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count"),
        )
    )

    assert load(gateway, lines({"session_id": "a", **nulls})) == Loaded(0, 0, 1, [])
    assert stored(gateway, "a") == [STORED]


def test_a_merge_can_be_reverted(gateway: Gateway) -> None:
    """By a newer list of pull requests in which none is merged."""
    load(gateway, lines(FULL))
    load(gateway, lines({"session_id": "a", "pull_requests": [{"pr_state": "closed"}]}))

    assert stored(gateway, "a") == [STORED._replace(**pull_requests(1, closed=1))]


def test_counts_of_pull_requests_are_replaced_together(gateway: Gateway) -> None:
    """A row with any of them replaces all; one without keeps them."""
    given = {"pr_count": 9, "open_pr_count": 1, "merged_pr_count": 2, "closed_pr_count": 3}
    load(gateway, lines({**FULL, "pull_requests": None, **given}))
    load(gateway, lines({"session_id": "a", "acus_consumed": 1.5}))
    every = pull_requests(9, is_open=1, merged=2, closed=3)
    assert stored(gateway, "a") == [STORED._replace(**every)]

    load(gateway, lines({"session_id": "a", "open_pr_count": 4}))

    assert stored(gateway, "a") == [STORED._replace(**pull_requests(4, is_open=4))]


@pytest.mark.parametrize("created_at", [{}, {"created_at": None}])
def test_a_new_session_without_created_at_is_rejected(
    gateway: Gateway, created_at: dict[str, Any]
) -> None:
    """With its line; the other rows are loaded."""
    loaded = load(
        gateway,
        lines(
            {"session_id": "a", "created_at": 10},
            "",
            {"session_id": "b", "size": "xl", **created_at},
            {"session_id": "c", "created_at": 10},
        ),
    )

    assert loaded == Loaded(2, 0, 0, [("line 3", "created_at")])
    assert [session.session_id for session in stored(gateway, "a", "b", "c")] == ["a", "c"]


def test_the_last_row_of_a_session_wins(gateway: Gateway) -> None:
    """Within a file, a session counts as inserted once, then as updated or unchanged."""
    loaded = load(
        gateway,
        lines(
            {"session_id": "a", "created_at": 10, "origin": "slack", "size": "s"},
            {"session_id": "a", "origin": "webapp"},
            {"session_id": "a", "created_at": 10},
            {"session_id": "a", "created_at": 20},
        ),
    )

    assert loaded == Loaded(1, 2, 1, [])
    assert stored(gateway, "a") == [Session("org-1", "a", 20, "webapp", "s")]
    assert count(gateway) == 1


def test_a_session_is_loaded_after_a_rejected_row(gateway: Gateway) -> None:
    """A rejected row does not affect a later row of the same session."""
    loaded = load(gateway, lines({"session_id": "a"}, {"session_id": "a", "created_at": 10}))

    assert loaded == Loaded(1, 0, 0, [("line 1", "created_at")])
    assert stored(gateway, "a") == [Session("org-1", "a", 10)]


def test_batch_boundaries_do_not_matter(gateway: Gateway) -> None:
    """A session of one batch is updated by a row of the next."""
    again = {"session_id": "s000000", "size": "xl"}
    loaded = load(gateway, [*many(BATCH_SIZE), *lines(again, again, {"session_id": "new"})])

    assert loaded == Loaded(BATCH_SIZE, 1, 1, [("line 3", "created_at")])
    assert stored(gateway, "s000000") == [Session("org-1", "s000000", 0, size="xl")]


def test_rows_of_several_organizations(gateway: Gateway) -> None:
    """The same session id in two organizations is two sessions."""
    loaded = load(
        gateway,
        lines(
            {"session_id": "a", "created_at": 10},
            {"session_id": "a", "created_at": 20, "org_id": "org-2"},
            {"session_id": "b", "created_at": 30, "org_id": "org-2"},
        ),
    )

    assert loaded == Loaded(3, 0, 0, [])
    assert (count(gateway), count(gateway, "org-2")) == (1, 2)
    assert stored(gateway, "a", org_id="org-2") == [Session("org-2", "a", 20)]


def test_a_strict_load_with_a_rejected_row_stores_nothing(gateway: Gateway) -> None:
    """All rejected rows are reported."""
    load(gateway, lines(FULL))
    rejections: list[RejectedRow] = []
    loader = Loader(gateway.storage.sessions, on_rejection=rejections.append)
    rows = [
        *lines({"session_id": "a", "size": "xl"}, "junk"),
        *many(BATCH_SIZE),
        *lines({"session_id": "b"}, {"session_id": "c,d"}),
    ]

    with pytest.raises(StrictLoadFailed):
        gateway.run(loader.load_strict(rows))

    assert len(rejections) == 3
    assert stored(gateway, "a") == [STORED]
    assert count(gateway) == 1


def test_a_strict_load_of_valid_rows(gateway: Gateway) -> None:
    """All rows are stored, in several batches."""
    assert load(gateway, many(BATCH_SIZE + 1), strict=True) == Loaded(BATCH_SIZE + 1, 0, 0, [])
    assert count(gateway) == BATCH_SIZE + 1


def test_a_strict_load_that_is_incomplete_stores_nothing(gateway: Gateway) -> None:
    """Though no row is rejected."""
    loader = Loader(gateway.storage.sessions)

    with pytest.raises(StrictLoadFailed):
        gateway.run(loader.load_strict(many(BATCH_SIZE + 1), lambda: False))

    assert loader.summary.read == BATCH_SIZE + 1
    assert count(gateway) == 0


def test_a_dry_run_counts_and_stores_nothing(gateway: Gateway) -> None:
    """A later batch reads the sessions of an earlier one."""
    load(gateway, lines(FULL))
    rejections: list[RejectedRow] = []
    loader = Loader(gateway.storage.sessions, on_rejection=rejections.append)
    rows = [
        *lines({"session_id": "a", "size": "xl"}, "junk"),
        *many(BATCH_SIZE),
        *lines({"session_id": "s000000", "size": "xl"}, {"session_id": "new"}),
    ]

    gateway.run(loader.dry_run(rows))

    assert loader.summary == LoadSummary(
        read=BATCH_SIZE + 4, inserted=BATCH_SIZE, updated=2, unchanged=0, rejected=2
    )
    assert [row.location for row in rejections] == ["line 2", "line 2"]
    assert stored(gateway, "a", "s000000") == [STORED]
    assert count(gateway) == 1


def test_a_truncated_file_is_loaded_up_to_its_end(gateway: Gateway, tmp_path: Path) -> None:
    """Loading the whole file completes it."""
    compressed = gzip.compress(as_ndjson(MANY))
    file = tmp_path / "rows.gz"
    file.write_bytes(compressed[: len(compressed) * 3 // 4])
    reader = FileReader([file], SessionParser("org-1"))

    load(gateway, reader)
    stored = count(gateway)

    assert [(error.path, error.rows) for error in reader.errors] == [(file, stored)]
    assert BATCH_SIZE <= stored < len(MANY)
    assert load(gateway, parse(compressed)) == Loaded(len(MANY) - stored, 0, stored, [])


def test_several_files(gateway: Gateway, tmp_path: Path) -> None:
    """In different formats; the location of a row begins with its file."""
    files = {
        "a.ndjson": b'{"session_id": "a", "created_at": 1}\n{"session_id": "b"}\n',
        "b.json.gz": gzip.compress(b'{"items": [{"session_id": "c", "created_at": 1}, 5]}'),
        "c.csv": b"session_id,org_id,created_at\nd,,1\ne,org-2,1\nf,,soon\n",
        "d.empty": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    loaded = load(gateway, FileReader([tmp_path / name for name in files], SessionParser("org-1")))

    assert loaded[:3] == (4, 0, 0)
    assert sorted(location for location, _ in loaded.rejected) == [
        f"{tmp_path / 'a.ndjson'}: line 2",
        f"{tmp_path / 'b.json.gz'}: line 1: item 2",
        f"{tmp_path / 'c.csv'}: line 4",
    ]
    assert (count(gateway), count(gateway, "org-2")) == (3, 1)


@given(data=st.data())
def test_loaded_files_match_the_oracle(gateway: Gateway, data: st.DataObject) -> None:
    """Random rows, in any format and in several files, give the metrics of the oracle."""
    org_id = next(new_organization)
    rows = strategies.session_rows(org_id, st.sampled_from("abcdefghij")).map(consistent)
    last: dict[str, dict[str, Any]] = {}
    formats: list[Callable[[list[dict[str, Any]]], bytes]] = [as_ndjson, as_page, as_csv]
    for part in data.draw(st.lists(st.lists(rows, min_size=1, max_size=10), max_size=3)):
        write = data.draw(st.sampled_from(formats))
        load(gateway, parse(write([as_file_row(row) for row in part]), org_id))
        last |= {row["session_id"]: row for row in part}

    response = gateway.rest(org_id, gateway.token(org_id), **ALL_TIME)

    assert response.json() == oracle.rest(list(last.values()), org_id, **ALL_TIME)
    metrics = gateway.metrics(
        strategies.ALL_SELECTED,
        org_id,
        gateway.token(org_id),
        strategies.graphql_filters(ALL_TIME, {}),
    )
    assert metrics == oracle.graphql(list(last.values()), org_id, **ALL_TIME)
