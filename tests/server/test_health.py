"""`/livez` and `/readyz`: whether requests can be served, and why not."""

import pytest
import sqlalchemy as sa

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.migrations.runner import REVISIONS
from tests.conftest import Gateway, set_revision


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (REVISIONS[-1], (200, {"status": "ok"})),
        (REVISIONS[0], (503, {"status": "pending migrations"})),
        ("9999", (200, {"status": "ok"})),
    ],
    ids=["current", "older", "newer"],
)
def test_a_process_is_ready_for_the_current_schema_or_a_newer_one(
    gateway: Gateway, revision: str, expected: tuple[int, object]
) -> None:
    """A newer one belongs to the next version, whose processes replace these one by one."""
    set_revision(gateway, revision)
    ready = gateway.request("GET", "/readyz", None)

    assert (ready.status_code, ready.json()) == expected
    assert gateway.request("GET", "/livez", None).status_code == 200


def test_a_process_is_not_ready_without_tables(gateway: Gateway) -> None:
    """They have to be created by a migration."""

    async def remove_tables() -> None:
        async with gateway.database.transaction() as connection:
            await connection.execute(sa.text("DROP TABLE alembic_version"))
            await connection.execute(sa.text("ALTER TABLE organizations RENAME TO elsewhere"))

    gateway.run(remove_tables())
    ready = gateway.request("GET", "/readyz", None)

    assert ready.status_code == 503
    assert ready.json() == {"status": "pending migrations"}


def test_a_process_is_not_ready_without_its_database(gateway: Gateway) -> None:
    """It is alive all the same: a restart would not help."""

    async def unavailable() -> None:
        raise Unavailable

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(gateway.database), "ping", lambda _self: unavailable())
        ready = gateway.request("GET", "/readyz", None)
        alive = gateway.request("GET", "/livez", None)

    assert (ready.status_code, ready.json()) == (503, {"status": "the database is not available"})
    assert alive.status_code == 200
