"""The database server crashes under load and comes back."""

from pathlib import Path

import httpx
import pytest
import uvloop

from scripts.benchmarks.faults import crash
from tests.engines import OwnPostgreSQL, PostgreSQLServer


def test_a_crash_of_postgresql_costs_nothing_that_was_acknowledged(
    postgresql: PostgreSQLServer, tmp_path: Path
) -> None:
    """Questions get 503 meanwhile, and never 500; afterwards they are answered again."""
    if not isinstance(postgresql, OwnPostgreSQL):
        pytest.skip("the server that METRICS_TEST_POSTGRES_URL names is not ours to crash")
    url = postgresql.new_database(tmp_path)
    run = uvloop.run(crash(postgresql, url, tmp_path))
    statuses = {status for *_, status in run.answers}
    after = [status for asked, _, status in run.answers if asked > run.back + 1]

    assert run.failures == []
    assert run.acknowledged > 0
    assert statuses == {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}
    assert set(after) == {httpx.codes.OK}
