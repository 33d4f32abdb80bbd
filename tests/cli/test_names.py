"""`names`: loads names from files, and lists them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Run, error_line, write_rows
from tests.conftest import only_sqlite
from tests.engines import migrated_file

pytestmark = only_sqlite

ADA = {"kind": "user", "id": "u", "name": "Ada"}
HEADER = "kind\tid\tname\n"


@pytest.fixture
def database(run: Run) -> None:
    """Create the tables."""
    Path("metrics.db").write_bytes(migrated_file())


def listed(run: Run, *options: str) -> list[str]:
    """Return the rows that `names list` prints."""
    result = run("names", "list", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(HEADER)
    return result.stdout.removeprefix(HEADER).splitlines()


def test_a_load_creates_a_sqlite_file(run: Run) -> None:
    """Unless nothing is to be stored."""
    result = run("names", "load", write_rows(Path("rows"), {**ADA, "kind": "team"}))

    assert result.exit_code == 1
    assert [path.name for path in Path().iterdir()] == ["rows"]

    result = run("names", "load", write_rows(Path("rows"), ADA))

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "1 rows read: 1 loaded, 0 removed, 0 rejected\n"
    assert listed(run) == ["user\tu\tAda"]


@pytest.mark.usefixtures("database")
def test_formats(run: Run) -> None:
    """Those of `load`: newline-delimited JSON, arrays, dialects and encodings of CSV, gzip."""
    files = {
        "rows.ndjson": b'{"kind": "user", "id": "1", "name": "A"}\n',
        "array.json": b'[\n {"Kind": "playbook", "id": "2", "name": "B"}\n]',
        "excel.csv": "Kind;ID;Name\r\nService User;3;Zoë\r\n".encode("utf-16"),
        "tabs.gz": gzip.compress(b'id\tname\tkind\n4\t"D ""d"""\torganization\n'),
    }
    for name, content in files.items():
        Path(name).write_bytes(content)
    result = run("names", "load", *files)

    assert (result.exit_code, result.stderr) == (0, "")
    assert listed(run) == [
        'organization\t4\tD "d"',
        "playbook\t2\tB",
        "service_user\t3\tZoë",
        "user\t1\tA",
    ]


@pytest.mark.usefixtures("database")
def test_the_last_name_of_an_id_wins(run: Run) -> None:
    """An empty name removes the stored one. Ids of another kind are others."""
    playbook = {**ADA, "kind": "playbook"}
    run("names", "load", write_rows(Path("a"), ADA, {**ADA, "name": "Grace"}, playbook))
    assert listed(run) == ["playbook\tu\tAda", "user\tu\tGrace"]

    removed = run("names", "load", write_rows(Path("b"), {**ADA, "name": ""}))
    assert removed.stdout == "1 rows read: 0 loaded, 1 removed, 0 rejected\n"
    assert listed(run) == ["playbook\tu\tAda"]

    run("names", "load", write_rows(Path("c"), ADA, {**playbook, "name": None}, ADA))
    run("names", "load", "c")
    assert listed(run) == ["user\tu\tAda"]


@pytest.mark.usefixtures("database")
def test_rejected_rows(run: Run) -> None:
    """The first ten are printed, the others counted. The valid rows are stored."""
    rows = [{**ADA, "id": "a,b"}] * 12
    result = run("names", "load", write_rows(Path("rows"), *rows, ADA), "--json")

    assert result.exit_code == 1
    counts = {"read": 13, "loaded": 1, "removed": 0, "rejected": 12, "errors": []}
    assert json.loads(result.stdout) == counts
    assert result.stderr.splitlines() == [
        *(f"rows: line {number}: id: must not contain a comma" for number in range(1, 11)),
        "and 2 more",
    ]
    assert listed(run) == ["user\tu\tAda"]


@pytest.mark.usefixtures("database")
def test_unreadable_files(run: Run) -> None:
    """They are reported, with what would be right. The others are loaded."""
    Path("cut.csv").write_text('kind,id,name\nuser,v,Grace\nuser,"w,W\n')
    Path("other.csv").write_text("kind,name\nuser,Ada\n")
    rows = write_rows(Path("rows"), ADA)
    result = run("names", "load", "missing", "cut.csv", "other.csv", rows, "--json")

    reasons = {each["file"]: each["reason"] for each in json.loads(result.stdout)["errors"]}
    assert result.exit_code == 1
    assert reasons["missing"] == "no such file"
    assert reasons["cut.csv"].startswith("line 3: not CSV")
    assert reasons["other.csv"] == (
        "neither JSON nor CSV with the columns kind, id, name: line 1 has the columns"
        ' "kind", "name"'
    )
    assert "cut.csv: line 3: " in result.stderr
    assert "; the rows before it were loaded\n" in result.stderr
    assert listed(run) == ["user\tu\tAda", "user\tv\tGrace"]


@pytest.mark.usefixtures("database")
def test_unknown_columns_are_reported(run: Run) -> None:
    """With a suggestion; fields of sessions are unknown, too. It is no error."""
    Path("names.csv").write_text("kind,id,name,kinds,session_id\nuser,u,Ada,x,y\n")
    result = run("names", "load", "names.csv")

    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        'ignored: column "kinds" (1 row; did you mean kind?)',
        'ignored: column "session_id" (1 row)',
    ]


@pytest.mark.usefixtures("database")
def test_names_of_one_kind_are_listed(run: Run) -> None:
    """The kind is spelled as in files. With `--json`, one document."""
    bot: dict[str, Any] = {"kind": "service_user", "id": "b", "name": "Bot"}
    run("names", "load", write_rows(Path("rows"), ADA, bot))

    assert listed(run, "--kind", "Service-User") == ["service_user\tb\tBot"]
    assert listed(run, "--kind", "playbook") == []
    assert json.loads(run("names", "list", "--json").stdout) == {"names": [bot, ADA]}
    assert "'--kind': must be user, service_user, playbook or organization, not 'team'" in (
        error_line(run("names", "list", "--kind", "team"), status=2)
    )


def test_a_list_of_a_missing_database(run: Run) -> None:
    """It creates none."""
    assert "does not exist" in error_line(run("names", "list"))
    assert not any(Path().iterdir())
