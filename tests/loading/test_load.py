"""Loading: what is stored and counted after files, replays, newer versions and mistakes."""

import gzip
import io
import json
from collections.abc import Callable, Iterable
from itertools import count as numbers
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.domain.sessions import Session, SessionUpdate
from metrics_graphql.loading.files import Files
from metrics_graphql.loading.formats import (
    Parsed,
    Rejection,
    UnreadableFile,
    read_content,
    read_sessions,
)
from metrics_graphql.loading.load import Load, StrictLoadRefused
from metrics_graphql.store.ingest import read_stored
from metrics_graphql.store.store import DATABASE_BLOCK
from tests import oracle, strategies
from tests.conftest import Gateway
from tests.loading.test_formats import as_csv, as_ndjson, as_page, opened

WHOLE: dict[str, Any] = {"time_after": 0, "time_before": 2**62}
MANY = [{"session_id": f"{at:032x}", "created_at": at} for at in range(3 * DATABASE_BLOCK)]
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
)


class Loaded(NamedTuple):
    """What became of the rows of a load."""

    inserted: int
    updated: int
    unchanged: int
    rejected: list[tuple[str, str]]
    """Place, and the field at fault, in the order they were reported."""


def load(gateway: Gateway, rows: Iterable[Parsed | Rejection], *, strict: bool = False) -> Loaded:
    """Load rows that may be bad; check that the summary adds up."""
    rejections: list[Rejection] = []
    loading = Load(gateway.store, on_rejection=rejections.append)
    gateway.run((loading.run_strictly if strict else loading.run)(rows))
    summary = loading.summary
    assert summary.rejected == len(rejections)
    assert summary.read == (
        summary.inserted + summary.updated + summary.unchanged + summary.rejected
    )
    fields = [(place, reason.replace(":", " ").split()[0]) for place, reason in rejections]
    return Loaded(summary.inserted, summary.updated, summary.unchanged, fields)


def lines(*rows: dict[str, Any] | str) -> Iterable[Parsed | Rejection]:
    """Return rows of newline-delimited JSON, of org-1 unless they say otherwise."""
    texts = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    return read_content(io.BytesIO("\n".join(texts).encode()), "org-1")


def many(rows: int) -> Iterable[Parsed | Rejection]:
    """Return as many rows, each of a session of its own, in order."""
    return lines(*({"session_id": f"s{at:06}", "created_at": at} for at in range(rows)))


def spelled(row: dict[str, Any]) -> dict[str, Any]:
    """Return one of the oracle's rows as a file spells it."""
    return {
        **{
            name: row[name]
            for name in row
            if name not in {"org_id", "size", "has_merged_pr", "acus"}
        },
        "session_size": row["size"],
        "acus_consumed": f"{row['acus'] // 10**6}.{row['acus'] % 10**6:06}",
        "merged_pr_count": int(row["has_merged_pr"]),
    }


def stored(gateway: Gateway, *session_ids: str, org_id: str = "org-1") -> list[Session]:
    """Return what is stored of these sessions."""
    updates = [SessionUpdate(org_id, session_id, {}) for session_id in session_ids]

    async def read() -> list[Session]:
        async with gateway.database.reading() as connection:
            found = await read_stored(connection, gateway.database.dialect, updates)
        return [found[org_id, name] for name in session_ids if (org_id, name) in found]

    return gateway.run(read())


def count(gateway: Gateway, org_id: str = "org-1") -> int:
    """Return how many sessions of an organization are counted."""
    answer = gateway.rest(org_id, gateway.token(org_id), **WHOLE)
    return int(answer.json()["sessions_created_count"])


def test_a_row_is_stored_whole(gateway: Gateway) -> None:
    """Each field where it belongs."""
    assert load(gateway, lines(FULL)) == Loaded(1, 0, 0, [])
    assert stored(gateway, "a") == [STORED]


def test_a_new_session_gets_none_of_what_is_not_said(gateway: Gateway) -> None:
    """Only `created_at` can't be left out."""
    load(gateway, lines({"session_id": "a", "created_at": 10}))

    assert stored(gateway, "a") == [Session("org-1", "a", 10)]


def test_loading_twice_changes_nothing(gateway: Gateway) -> None:
    """The second time each row is counted as unchanged, in however many batches."""
    rows = DATABASE_BLOCK + 500

    assert load(gateway, many(rows)) == Loaded(rows, 0, 0, [])
    assert load(gateway, many(rows)) == Loaded(0, 0, rows, [])
    assert count(gateway) == rows


def test_a_newer_version_replaces_the_stored_one(gateway: Gateway) -> None:
    """Every field of it, the time of creation too."""
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
def test_a_field_that_a_row_does_not_have_keeps_its_value(gateway: Gateway, field: str) -> None:
    """So an update may say just what is new."""
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
def test_null_clears_a_text(gateway: Gateway, field: str, column: str) -> None:
    """And leaves the other fields alone."""
    load(gateway, lines(FULL))

    assert load(gateway, lines({"session_id": "a", field: None})) == Loaded(0, 1, 0, [])
    cleared: dict[str, Any] = {column: None}
    assert stored(gateway, "a") == [STORED._replace(**cleared)]


def test_null_keeps_what_is_never_null(gateway: Gateway) -> None:
    """A null says no more of these fields than leaving them out."""
    load(gateway, lines(FULL))
    nulls = dict.fromkeys(
        ("created_at", "used_search", "acus_consumed", "pull_requests", "merged_pr_count")
    )

    assert load(gateway, lines({"session_id": "a", **nulls})) == Loaded(0, 0, 1, [])
    assert stored(gateway, "a") == [STORED]


def test_a_merge_can_be_taken_back(gateway: Gateway) -> None:
    """A newer list of pull requests without a merged one counts as none."""
    load(gateway, lines(FULL))
    load(gateway, lines({"session_id": "a", "pull_requests": [{"pr_state": "closed"}]}))

    assert stored(gateway, "a") == [STORED._replace(has_merged_pr=False)]


@pytest.mark.parametrize("created_at", [{}, {"created_at": None}])
def test_a_new_session_without_its_time_is_rejected(
    gateway: Gateway, created_at: dict[str, Any]
) -> None:
    """With its line, and the others are kept."""
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
    """Within a file it counts as inserted once, then as updated or unchanged."""
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


def test_a_session_may_come_after_its_first_rejection(gateway: Gateway) -> None:
    """A row that was too early spoils nothing for the one that follows."""
    loaded = load(gateway, lines({"session_id": "a"}, {"session_id": "a", "created_at": 10}))

    assert loaded == Loaded(1, 0, 0, [("line 1", "created_at")])
    assert stored(gateway, "a") == [Session("org-1", "a", 10)]


def test_where_a_batch_ends_makes_no_difference(gateway: Gateway) -> None:
    """A session in one batch is updated by its row in the next."""
    again = {"session_id": "s000000", "size": "xl"}
    loaded = load(gateway, [*many(DATABASE_BLOCK), *lines(again, again, {"session_id": "new"})])

    assert loaded == Loaded(DATABASE_BLOCK, 1, 1, [("line 3", "created_at")])
    assert stored(gateway, "s000000") == [Session("org-1", "s000000", 0, size="xl")]


def test_rows_of_several_organizations_mix(gateway: Gateway) -> None:
    """The same session id in two of them is two sessions."""
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


def test_all_rows_or_none(gateway: Gateway) -> None:
    """A strict load with a bad row keeps nothing, but reports every bad row."""
    load(gateway, lines(FULL))
    rejections: list[Rejection] = []
    loading = Load(gateway.store, on_rejection=rejections.append)
    rows = [
        *lines({"session_id": "a", "size": "xl"}, "junk"),
        *many(DATABASE_BLOCK),
        *lines({"session_id": "b"}, {"session_id": "c,d"}),
    ]

    with pytest.raises(StrictLoadRefused):
        gateway.run(loading.run_strictly(rows))

    assert len(rejections) == 3
    assert stored(gateway, "a") == [STORED]
    assert count(gateway) == 1


def test_a_strict_load_of_good_rows_keeps_them(gateway: Gateway) -> None:
    """In however many batches."""
    assert load(gateway, many(DATABASE_BLOCK + 1), strict=True) == Loaded(
        DATABASE_BLOCK + 1, 0, 0, []
    )
    assert count(gateway) == DATABASE_BLOCK + 1


def test_a_source_that_breaks_off_keeps_what_came_before(gateway: Gateway) -> None:
    """And is resumed by loading the whole of it again."""
    packed = gzip.compress(as_ndjson(MANY))

    with pytest.raises(UnreadableFile):
        load(gateway, read_sessions(opened(packed[: len(packed) * 3 // 4]), "org-1"))
    kept = count(gateway)
    assert DATABASE_BLOCK <= kept < len(MANY)

    assert load(gateway, read_sessions(opened(packed), "org-1")) == Loaded(
        len(MANY) - kept, 0, kept, []
    )


def test_a_strict_load_that_breaks_off_keeps_nothing(gateway: Gateway) -> None:
    """Not even the batches that were whole."""
    packed = gzip.compress(as_ndjson(MANY))

    with pytest.raises(UnreadableFile):
        load(gateway, read_sessions(opened(packed[: len(packed) * 3 // 4]), "org-1"), strict=True)

    assert count(gateway) == 0


def test_several_files_are_one_source(gateway: Gateway, tmp_path: Path) -> None:
    """Of any format each; the place of a row begins with its file."""
    files = {
        "a.ndjson": b'{"session_id": "a", "created_at": 1}\n{"session_id": "b"}\n',
        "b.json.gz": gzip.compress(b'{"items": [{"session_id": "c", "created_at": 1}, 5]}'),
        "c.csv": b"session_id,org_id,created_at\nd,,1\ne,org-2,1\nf,,soon\n",
        "d.empty": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in files]
    source = Files(paths, "org-1")

    loaded = load(gateway, source)

    assert loaded[:3] == (4, 0, 0)
    assert sorted(place for place, _ in loaded.rejected) == [
        f"{tmp_path / 'a.ndjson'}: line 2",
        f"{tmp_path / 'b.json.gz'}: item 2",
        f"{tmp_path / 'c.csv'}: line 4",
    ]
    assert (count(gateway), count(gateway, "org-2")) == (3, 1)
    assert source.bytes_read == source.total_bytes == sum(map(len, files.values()))


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """As the rows before it are, it comes with its path."""
    (tmp_path / "a.csv").write_bytes(b"session_id\na\n")
    (tmp_path / "b.csv").write_bytes(b"id\na\n")
    rows = iter(Files([tmp_path / "a.csv", tmp_path / "b.csv"], "org-1"))

    assert next(rows).place == f"{tmp_path / 'a.csv'}: line 2"
    with pytest.raises(UnreadableFile, match=r"b\.csv: .*session_id"):
        next(rows)


def test_how_much_standard_input_holds_is_not_known(tmp_path: Path) -> None:
    """So there is no total of files with it among them."""
    (tmp_path / "a.csv").write_bytes(b"session_id\n")

    assert Files([tmp_path / "a.csv", Path("-")], None).total_bytes is None
    assert Files([tmp_path / "a.csv"], None).total_bytes == 11


@given(data=st.data())
def test_what_is_loaded_is_counted(gateway: Gateway, data: st.DataObject) -> None:
    """Files of random rows, in any format and any number of parts, agree with the oracle."""
    org_id = next(new_organization)
    rows = strategies.session_rows(org_id, st.sampled_from("abcdefghij"))
    last: dict[str, dict[str, Any]] = {}
    formats: list[Callable[[list[dict[str, Any]]], bytes]] = [as_ndjson, as_page, as_csv]
    for part in data.draw(st.lists(st.lists(rows, min_size=1, max_size=10), max_size=3)):
        written = data.draw(st.sampled_from(formats))
        load(gateway, read_sessions(opened(written([spelled(row) for row in part])), org_id))
        last |= {row["session_id"]: row for row in part}

    answer = gateway.rest(org_id, gateway.token(org_id), **WHOLE)

    assert answer.json() == oracle.rest(list(last.values()), org_id, **WHOLE)
