"""`verify`: printed inconsistencies, repairs and exit status."""

import json

import pytest
import sqlalchemy as sa

from tests.cli.commands import invoke
from tests.conftest import Gateway


@pytest.fixture
def inconsistent(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Return a gateway whose database lacks the roll-ups of one of two organizations."""
    monkeypatch.setenv("METRICS_DATABASE_URL", gateway.database_url)
    gateway.load(
        {"org_id": org_id, "session_id": "s", "created_at": 5} for org_id in ("org-1", "org-2")
    )

    async def delete_rollups() -> None:
        async with gateway.database.transaction() as connection:
            await connection.execute(sa.text("DELETE FROM rollups WHERE org_id = 'org-2'"))

    gateway.run(delete_rollups())
    return gateway


@pytest.mark.usefixtures("inconsistent")
def test_inconsistencies_are_printed() -> None:
    """One per line; the exit status is 1. Nothing is repaired."""
    for _ in range(2):
        result = invoke("verify")
        lines = result.stdout.splitlines()

        assert result.exit_code == 1
        assert lines
        assert all(line.startswith("org-2, all sessions, ") for line in lines)
        assert result.stderr == (
            f"metrics-graphql: found {len(lines)} roll-ups that differ from their sessions;"
            " --repair repairs them\n"
        )


@pytest.mark.usefixtures("inconsistent")
def test_json() -> None:
    """The document has what the lines have; the exit status and the error are the same."""
    plain, document, repaired, clean = (
        invoke("verify", *options)
        for options in ((), ("--json",), ("--json", "--repair"), ("--json",))
    )
    found = plain.stdout.splitlines()

    assert found
    assert json.loads(document.stdout) == {"inconsistencies": found, "repaired": False}
    assert (document.exit_code, document.stderr) == (1, plain.stderr)
    assert json.loads(repaired.stdout) == {"inconsistencies": found, "repaired": True}
    assert json.loads(clean.stdout) == {"inconsistencies": [], "repaired": False}


@pytest.mark.usefixtures("inconsistent")
def test_repair() -> None:
    """The exit status is 0, and a second run finds nothing."""
    repaired, clean = invoke("verify", "--repair"), invoke("verify")
    *lines, summary = repaired.stdout.splitlines()

    assert (repaired.exit_code, clean.exit_code) == (0, 0)
    assert summary == f"Repaired {len(lines)} roll-ups that differ from their sessions."
    assert clean.stdout == "There are no roll-ups that differ from their sessions.\n"
