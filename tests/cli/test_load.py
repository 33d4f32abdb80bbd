"""`load`: printed summaries, exit status, and stored sessions."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import Run, count_sessions, error_line, python_m, write_rows
from tests.conftest import only_sqlite

SUMMARY = re.compile(
    r"([\d,]+) rows read: ([\d,]+) inserted, ([\d,]+) updated, ([\d,]+) unchanged, "
    r"([\d,]+) rejected; [\d,]+ rows/s\n"
)
TIME = 1735689600
PAGE = b"""{
  "items": [{"session_id": "a", "created_at": 5}, {"session_id": "b", "created_at": 6}],
  "total": 2
}"""


def counts(stdout: str) -> list[int]:
    """Return the rows read, inserted, updated, unchanged and rejected of a summary.

    It must be the only line.
    """
    summary = SUMMARY.fullmatch(stdout)
    assert summary, stdout
    return [int(number.replace(",", "")) for number in summary.groups()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ndjson", b'{"session_id": "a", "created_at": 5}\n{"session_id": "b", "created_at": 6}'),
        ("a.json", PAGE),
        ("a.csv", b"session_id,created_at\na,5\nb,1970-01-01T00:00:06Z\n"),
    ],
    ids=["ndjson", "page", "csv"],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_file_formats(
    run: Run, name: str, content: bytes, compress: Callable[[bytes], bytes]
) -> None:
    """The summary is the only line of standard output."""
    file = Path(name)
    file.write_bytes(compress(content))

    first, second = run("load", file, "--org", "org-1"), run("load", file, "--org", "org-1")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert counts(first.stdout) == [2, 2, 0, 0, 0]
    assert counts(second.stdout) == [2, 0, 0, 2, 0]
    assert count_sessions() == 2


def test_several_files(run: Run) -> None:
    """The counts are totals; `--org` applies to rows without an organization."""
    a = write_rows(Path("a.ndjson"), {"session_id": "a", "created_at": 5})
    b = write_rows(Path("b.ndjson"), {"session_id": "a", "created_at": 5, "org_id": "org-2"})

    result = run("load", a, b, a, "--org", "org-1")

    assert result.exit_code == 0
    assert counts(result.stdout) == [3, 2, 0, 1, 0]
    assert (count_sessions(), count_sessions("org-2")) == (1, 1)


def test_counts_of_inserts_and_updates(run: Run) -> None:
    """Numbers have thousands separators."""
    rows = [{"session_id": str(at), "created_at": at, "org_id": "org-1"} for at in range(2_500)]
    run("load", write_rows(Path("rows"), *rows))

    newer = [{**row, "origin": "slack"} for row in rows[:1_200]] + rows[1_200:]
    result = run("load", write_rows(Path("rows"), *newer, {**rows[0], "session_id": "new"}))

    assert counts(result.stdout) == [2_501, 1, 1_200, 1_300, 0]
    assert result.stdout.startswith("2,501 rows read: 1 inserted, 1,200 updated, 1,300 unchanged")


def test_an_empty_file(run: Run) -> None:
    """It has no rows, which is no error."""
    result = run("load", write_rows(Path("empty")))

    assert result.exit_code == 0
    assert counts(result.stdout) == [0, 0, 0, 0, 0]


def test_rejected_rows_are_reported(run: Run) -> None:
    """On standard error, with file, line and reason. The others are loaded; the status is 1."""
    rows = write_rows(
        Path("rows"),
        {"session_id": "a", "created_at": 5},
        {"session_id": "b", "created_at": 1735689600000},
        "junk",
        {"session_id": "c"},
        {"session_id": "d", "created_at": 6, "acus_consumed": -1},
        {"session_id": "e", "created_at": 7},
    )
    result = run("load", rows, "--org", "org-1")

    assert result.exit_code == 1
    assert counts(result.stdout) == [6, 2, 0, 0, 4]
    reported = [line for line in result.stderr.splitlines() if line.startswith("rows: line ")]
    assert len(reported) == 4
    for number, field in ((2, "created_at"), (3, "not JSON"), (4, "created_at"), (5, "acus")):
        assert any(line.startswith(f"rows: line {number}: {field}") for line in reported)
    assert count_sessions() == 2


def test_rows_without_an_organization_are_rejected(run: Run) -> None:
    """The reason names the option that sets one."""
    result = run("load", write_rows(Path("rows"), {"session_id": "a", "created_at": 5}))

    assert result.exit_code == 1
    assert counts(result.stdout) == [1, 0, 0, 0, 1]
    assert "--org" in result.stderr


def test_a_strict_load_with_a_rejected_row_stores_nothing(run: Run) -> None:
    """Every rejected row is reported; there is no summary; the status is 1."""
    rows = [{"session_id": str(at), "created_at": at} for at in range(2_500)]
    file = write_rows(Path("rows"), *rows, "junk", {"session_id": "new"})

    result = run("load", "--strict", file, "--org", "org-1")

    assert result.exit_code == 1
    assert "inserted" not in result.stdout
    assert "rows: line 2501: " in result.stderr
    assert "rows: line 2502: " in result.stderr
    assert result.stderr.endswith(
        "metrics-graphql: nothing was loaded: rows were rejected, and --strict is given\n"
    )
    assert count_sessions() == 0


def test_a_strict_load_of_valid_rows(run: Run) -> None:
    """It prints the usual summary."""
    result = run(
        "load",
        "--strict",
        write_rows(Path("rows"), {"session_id": "a", "created_at": 5}),
        "--org",
        "o",
    )

    assert result.exit_code == 0
    assert counts(result.stdout) == [1, 1, 0, 0, 0]


def test_a_truncated_gzip_file_is_loaded_up_to_its_end(run: Run) -> None:
    """The status is 1, and the error names the file. Loading the whole file completes it."""
    rows = [{"session_id": f"{at:032x}", "created_at": at} for at in range(6_000)]
    compressed = gzip.compress(write_rows(Path("rows"), *rows).read_bytes())
    file = Path("rows.gz")
    file.write_bytes(compressed[: len(compressed) * 3 // 4])

    result = run("load", file, "--org", "org-1")

    assert result.exit_code == 1
    assert "metrics-graphql: rows.gz: " in result.stderr
    stored = count_sessions()
    assert 2_000 <= stored < 6_000
    file.write_bytes(compressed)
    assert counts(run("load", file, "--org", "org-1").stdout) == [
        6_000,
        6_000 - stored,
        0,
        stored,
        0,
    ]


def test_a_strict_load_of_a_truncated_gzip_file_stores_nothing(run: Run) -> None:
    """Because some of its rows are missing."""
    rows = [{"session_id": f"{at:032x}", "created_at": at} for at in range(6_000)]
    compressed = gzip.compress(write_rows(Path("rows"), *rows).read_bytes())
    Path("rows.gz").write_bytes(compressed[:-8])

    result = run("load", "--strict", "rows.gz", "--org", "org-1")

    assert result.exit_code == 1
    assert "rows.gz: " in result.stderr
    assert count_sessions() == 0


def test_only_the_first_rejected_rows_are_printed(run: Run) -> None:
    """The number of the others is; `--rejects` writes all of them."""
    file = write_rows(Path("rows"), {"session_id": "a", "created_at": TIME}, *["junk"] * 2_510)
    result = run("load", file, "--org", "org-1")

    assert result.exit_code == 1
    assert counts(result.stdout) == [2_511, 1, 0, 0, 2_510]
    printed = result.stderr.splitlines()
    assert len(printed) == 11
    assert printed[9].startswith("rows: line 11: not JSON")
    assert printed[10] == "and 2,500 more (--rejects FILE has all)"

    again = run("load", file, "--org", "org-1", "--rejects", "rejected.ndjson")

    assert again.stderr.splitlines()[10] == "and 2,500 more; all are in rejected.ndjson"
    rejected = [json.loads(line) for line in Path("rejected.ndjson").read_text().splitlines()]
    assert len(rejected) == 2_510
    assert rejected[0].keys() == {"location", "reason"}
    assert [f"{each['location']}: {each['reason']}" for each in rejected[:10]] == printed[:10]


def test_the_file_of_rejected_rows(run: Run) -> None:
    """It is empty if there are none. A path that cannot be written ends the command."""
    file = write_rows(Path("rows"), {"session_id": "a", "created_at": 5})

    assert run("load", file, "--org", "o", "--rejects", "rejected").exit_code == 0
    assert Path("rejected").read_bytes() == b""
    assert "--rejects: no/such: No such file" in error_line(
        run("load", file, "--org", "o", "--rejects", "no/such")
    )
    result = run("load", "rejected", file, "--org", "o", "--rejects", "./rows")
    assert result.exit_code == 2
    assert file.read_text().startswith("{")
    result = run("load", "x" * 300, file, "--org", "o", "--rejects", "rejected")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"{'x' * 300}: file name too long\n")


def test_ignored_input_is_printed(run: Run) -> None:
    """To standard error, with suggestions. It is no error."""
    Path("a.csv").write_text(
        f"session_id,created_at,acus,orgin,url\na,{TIME},1,slack,u\nb,{TIME},1,,\n"
    )
    rows = write_rows(
        Path("rows"), {"session_id": "c", "created_at": TIME, "origin": "Slak", "size": "M"}
    )
    result = run("load", "a.csv", rows, "--org", "org-1")

    assert result.exit_code == 0
    assert counts(result.stdout) == [3, 3, 0, 0, 0]
    assert result.stderr.splitlines() == [
        'ignored: column "acus" (2 rows; did you mean acus_consumed?)',
        'ignored: column "orgin" (2 rows; did you mean origin?)',
        'unknown: origin "Slak" (1 row; did you mean slack?)',
    ]


@pytest.mark.parametrize(
    ("content", "options", "ignored"),
    [
        ("session_id,created_at,acus\na,1735689600,1\n", [], 'column "acus"'),
        ('{"session_id": "a", "created_at": 1735689600, "acus": 1}\n', [], 'field "acus"'),
        (
            "session_id,created_at\na,1735689600\n",
            ["--column", "acus=acus_consumed"],
            "--column acus",
        ),
    ],
)
def test_a_strict_load_of_unknown_columns_stores_nothing(
    run: Run, content: str, options: list[str], ignored: str
) -> None:
    """Nor one of unknown fields, or of a mapped column that no file has."""
    Path("rows").write_text(content)
    result = run("load", "rows", "--org", "org-1", "--strict", *options)

    assert result.exit_code == 1
    assert result.stdout == ""
    first, last = result.stderr.splitlines()
    assert first.startswith(f"ignored: {ignored}")
    assert last == (
        "metrics-graphql: nothing was loaded: columns or fields were ignored, and --strict is given"
    )
    assert count_sessions() == 0


def test_a_strict_load_of_unknown_values(run: Run) -> None:
    """They are stored, so they are reported only."""
    rows = write_rows(Path("rows"), {"session_id": "a", "created_at": 5, "size": "huge"})
    result = run("load", rows, "--org", "org-1", "--strict")

    assert result.exit_code == 0
    assert 'unknown: session_size "huge"' in result.stderr


def test_columns_are_mapped(run: Run) -> None:
    """A mapping may be repeated; names are matched without case."""
    Path("a.csv").write_text(f"ID,Team,when\na,org-2,{TIME}\n")
    columns = [
        "--column",
        "id=session_id",
        "--column",
        "team=Org-ID",
        "--column",
        "When=created_at",
    ]
    result = run("load", "a.csv", *columns)

    assert result.exit_code == 0
    assert result.stderr == ""
    assert count_sessions("org-2") == 1


@pytest.mark.parametrize(
    ("mappings", "reason"),
    [
        (["acus=acu"], "'acu' is no field. The fields are session_id, org_id, created_at"),
        (["acus="], "'' is no field"),
        (["acus"], "'acus' is not FROM=TO"),
        (["=origin"], "'=origin' is not FROM=TO"),
        (["a_b=origin", "A B=user_id"], "'A B' is given twice"),
        (["_=origin"], "'_=origin' is not FROM=TO"),
    ],
)
def test_an_unusable_mapping_is_a_usage_error(
    run: Run, mappings: list[str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lists the fields."""
    monkeypatch.setenv("COLUMNS", "1000")
    options = [text for mapping in mappings for text in ("--column", mapping)]
    result = run("load", "nothing", *options)

    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_dry_run_stores_nothing(run: Run) -> None:
    """It prints the counts, and everything that would be rejected or ignored."""
    stored = write_rows(Path("stored"), {"session_id": "a", "created_at": TIME, "org_id": "org-1"})
    run("load", stored)
    rows = write_rows(
        Path("rows"),
        {"session_id": "a", "size": "m"},
        {"session_id": "b", "created_at": TIME},
        {"session_id": "c", "foo": 5},
    )
    result = run("load", rows, "missing", "--org", "org-1", "--dry-run")

    assert result.exit_code == 1
    assert result.stdout == (
        "3 rows read: 1 inserted, 1 updated, 0 unchanged, 1 rejected; dry run, nothing was stored\n"
    )
    reported = result.stderr.splitlines()
    assert reported[0].startswith("rows: line 3: created_at is required")
    assert reported[1:] == [
        'ignored: field "foo" (1 row)',
        "metrics-graphql: missing: no such file",
    ]
    assert count_sessions() == 1
    strict = run("load", rows, "--org", "org-1", "--dry-run", "--strict")
    assert strict.exit_code == 1
    assert strict.stdout == result.stdout
    assert strict.stderr.splitlines()[-1] == (
        "metrics-graphql: nothing was loaded: rows were rejected and columns or fields were "
        "ignored, and --strict is given"
    )


def test_a_dry_run_of_valid_rows(run: Run) -> None:
    """The status is 0. The database may not exist yet."""
    rows = write_rows(Path("rows"), {"session_id": "a", "created_at": 5})
    first = run("load", rows, "--org", "org-1", "--dry-run")

    assert first.exit_code == 0
    assert first.stdout.startswith("1 rows read: 1 inserted")
    assert count_sessions() == 0
    assert counts(run("load", rows, "--org", "org-1").stdout) == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello\n", "neither JSON nor CSV with a column session_id"),
        (b"created_at\n5\n", "neither JSON nor CSV with a column session_id"),
        (b"[\n{]", "line 2: not JSON"),
        (b"\x1f\x8b", "not a whole gzip file"),
        (b"\x1f\x8bnot gzip at all", "not a whole gzip file"),
        (b"PK\x03\x04 xl/workbook.xml", "an Excel workbook (.xlsx); save it as CSV"),
        (b'session_id\n"a', "line 2: not CSV: a quote is not closed"),
    ],
)
def test_a_file_in_an_unknown_format(run: Run, content: bytes, reason: str) -> None:
    """The status is 1; the error names the file and what is wrong. No rows were before it."""
    Path("odd").write_bytes(content)
    result = run("load", "odd", "--org", "org-1")

    assert result.exit_code == 1
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"metrics-graphql: odd: {reason}")
    assert "rows before" not in error
    assert count_sessions() == 0


def test_a_cell_does_not_become_a_row(run: Run) -> None:
    """However long it is, and however its quotes are written."""
    header = "session_id,org_id,created_at,first_message,acus_consumed\n"
    ghost = "ghost,org-b,1735689600,never a session,999999"
    Path("long.csv").write_text(f'{header}s1,org-a,1,"{"x" * 131_100}\n{ghost}\n",5\n')
    Path("bad.csv").write_text(f'{header}s2,org-a,1,hi,5\ns3,org-a,1,"a\\"\n{ghost}\n",5\n')

    first, second = run("load", "long.csv"), run("load", "bad.csv")

    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "bad.csv: line 3: not CSV: " in second.stderr
    assert second.stderr.endswith("; the rows before it were loaded\n")
    assert (count_sessions("org-a"), count_sessions("org-b")) == (2, 0)
    assert "rows before" not in run("load", "bad.csv", "--dry-run").stderr


def test_the_files_after_a_bad_one_are_loaded(run: Run) -> None:
    """Each file that was not is named. With `--strict`, nothing is loaded."""
    Path("directory").mkdir()
    a, c = (
        write_rows(Path(name), {"session_id": name, "created_at": TIME})
        for name in ("a.json", "c.json")
    )
    files = [a, "sessions.csv", "directory", c]
    strict = run("load", *files, "--org", "org-1", "--strict")
    errors = [
        "metrics-graphql: sessions.csv: no such file",
        "metrics-graphql: directory: is a directory",
    ]

    assert strict.exit_code == 1
    assert strict.stdout == ""
    *named, last = strict.stderr.splitlines()
    assert named == errors
    assert last.endswith("loaded: files were not read to their end, and --strict is given")
    assert count_sessions() == 0
    result = run("load", *files, "--org", "org-1")
    assert result.exit_code == 1
    assert counts(result.stdout) == [2, 2, 0, 0, 0]
    assert result.stderr.splitlines() == errors


@only_sqlite
@pytest.mark.parametrize(
    ("options", "document"),
    [
        ((), {"inserted": 1, "stored": True}),
        (("--dry-run",), {"inserted": 1, "stored": False}),
        (("--strict",), {"inserted": 1, "stored": False}),
    ],
)
def test_json(run: Run, options: tuple[str, ...], document: dict[str, object]) -> None:
    """One document on standard output; messages and the exit status are the same."""
    rows = write_rows(Path("rows"), {"session_id": "a", "created_at": 5}, "junk")
    arguments = ("load", rows, "missing", "--org", "org-1", *options)
    result, plain = run(*arguments, "--json"), run(*arguments)

    assert json.loads(result.stdout) == {
        "read": 2,
        "updated": 0,
        "unchanged": 0,
        "rejected": 1,
        "errors": [{"file": "missing", "reason": "no such file"}],
        **document,
    }
    assert result.stderr == plain.stderr
    assert (result.exit_code, plain.exit_code) == (1, 1)


@only_sqlite
def test_a_path_with_control_characters_is_one_line(run: Run) -> None:
    """They are escaped."""
    result = run("load", "a\nb\x1b[2J", "--org", "org-1")

    assert result.stderr == "metrics-graphql: a\\nb\\x1b[2J: no such file\n"


def test_standard_input(tmp_path: Path) -> None:
    """`-` is read as a file, gzipped too, though a pipe cannot be rewound."""
    rows = b'{"session_id": "a", "created_at": 5}\n\n{"session_id": "b"}\n'

    status, stdout, stderr = python_m(
        tmp_path, "load", "-", "--org", "org-1", stdin=gzip.compress(rows)
    )

    assert status == 1
    assert counts(stdout) == [2, 1, 0, 0, 1]
    assert "-: line 3: created_at" in stderr
