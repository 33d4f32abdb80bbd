"""`load`: printed summaries, exit status, and stored sessions."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import Run, count_sessions, python_m, write_rows

SUMMARY = re.compile(
    r"([\d,]+) rows read: ([\d,]+) inserted, ([\d,]+) updated, ([\d,]+) unchanged, "
    r"([\d,]+) rejected; [\d,]+ rows/s\n"
)
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
    for number, field in ((2, "created_at"), (3, "Invalid JSON"), (4, "created_at"), (5, "acus")):
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
    assert "metrics-graphql: nothing was loaded" in result.stderr
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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello\n", "session_id"),
        (b"created_at\n5\n", "session_id"),
        (b"[]", "JSON"),
        (b'{"items": 5}', "JSON"),
        (b"\x1f\x8b", "gzip"),
        (b"\x1f\x8bnot gzip at all", "gzip"),
    ],
)
def test_a_file_in_an_unknown_format(run: Run, content: bytes, reason: str) -> None:
    """The status is 1; the error names the file and what is missing."""
    Path("odd").write_bytes(content)
    result = run("load", "odd", "--org", "org-1")

    assert result.exit_code == 1
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("metrics-graphql")]
    assert error.startswith("metrics-graphql: odd: ")
    assert reason in error


def test_a_directory_is_an_error(run: Run) -> None:
    """One line names it."""
    Path("directory").mkdir()
    result = run("load", "directory")

    assert result.exit_code == 1
    assert re.search(r"^metrics-graphql: .*directory", result.stderr, re.MULTILINE)


def test_standard_input(tmp_path: Path) -> None:
    """`-` is read as a file, gzipped too, though a pipe cannot be rewound."""
    rows = b'{"session_id": "a", "created_at": 5}\n\n{"session_id": "b"}\n'

    status, stdout, stderr = python_m(
        tmp_path, "load", "-", "--org", "org-1", stdin=gzip.compress(rows)
    )

    assert status == 1
    assert counts(stdout) == [2, 1, 0, 0, 1]
    assert "-: line 3: created_at" in stderr
