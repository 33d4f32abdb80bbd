"""`/readyz`: whether questions would be answered, and why not."""

import pytest
import sqlalchemy as sa

from metrics_graphql.store.migrate import REVISIONS
from tests.conftest import Gateway


@pytest.mark.parametrize(
    ("revision", "answer"),
    [
        (REVISIONS[-1], (200, {"status": "ok"})),
        (REVISIONS[0], (503, {"status": "the tables are not up to date"})),
        ("9999", (200, {"status": "ok"})),
    ],
    ids=["this", "an older one", "a newer one"],
)
def test_a_process_is_ready_for_tables_of_its_version(
    gateway: Gateway, revision: str, answer: tuple[int, object]
) -> None:
    """Or of a newer one: the next version is taking over, and those that are left go on."""

    async def pretend() -> None:
        async with gateway.database.writing() as connection:
            await connection.execute(
                sa.text("UPDATE alembic_version SET version_num = :revision"),
                {"revision": revision},
            )

    gateway.run(pretend())
    ready = gateway.request("GET", "/readyz", None)

    assert (ready.status_code, ready.json()) == answer
    assert gateway.request("GET", "/livez", None).status_code == 200


def test_a_process_without_tables_is_not_ready(gateway: Gateway) -> None:
    """Its database is not there, as far as questions go."""

    async def lose() -> None:
        async with gateway.database.writing() as connection:
            await connection.execute(sa.text("DROP TABLE alembic_version"))

    gateway.run(lose())
    ready = gateway.request("GET", "/readyz", None)

    assert ready.status_code == 503
    assert ready.json() == {"status": "the database is not available"}
