"""Fixtures: the application on a real database, in this process or in one of its own."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from metrics_graphql.app import create_app
from metrics_graphql.core.callers import DEFAULT_PERMISSION
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.settings import Settings
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.ingest import IngestResult
from metrics_graphql.storage.repository import open_storage
from metrics_graphql.storage.service_users import create_service_user
from metrics_graphql.web.pages import BUILT
from tests.engines import ClickHouseDatabases, Engine, PostgreSQLServer, SQLiteFiles
from tests.engines import clickhouse as clickhouse_engine
from tests.engines import postgresql as postgresql_server
from tests.packages import Packages, build
from tests.serving import Server, served
from tests.suites import (
    EXAMPLES,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

needs_pages = pytest.mark.skipif(not BUILT.is_dir(), reason="needs Node to build the pages")
T = TypeVar("T")
Advance = Callable[[float], None]

new_organization = map("org-{}".format, count())
"""Organizations that no other example has used."""

settings.register_profile(
    "suites",
    max_examples=EXAMPLES,
    deadline=None,  # tests do not measure time
    # One gateway serves every example of a test; each example uses organizations of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("suites")


class Gateway:
    """The application over a database of its own, driven from plain functions."""

    def __init__(
        self,
        runner: asyncio.Runner,
        database_url: str,
        sessions_url: str = "",
        **settings: Any,  # noqa: ANN401 - any setting
    ) -> None:
        self._runner = runner
        self.database_url = database_url
        self.sessions_url = sessions_url
        self.storage = open_storage(database_url, sessions_url)
        self.database = self.storage.database
        urls: dict[str, Any] = {"database_url": database_url, "sessions_url": sessions_url}
        # Tests load and query in turns, and expect to see at once what they loaded.
        self.app = create_app(Settings(**urls, **{"cache_ttl": 0, **settings}))
        self.transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=self.transport, base_url="http://gateway")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    async def start(self) -> None:
        """Start the application, which creates the tables of an embedded engine itself."""
        if not self.storage.sessions.is_embedded:
            await self.storage.sessions.migrate()
        self._lifespan = self.app.router.lifespan_context(self.app)
        await self._lifespan.__aenter__()

    async def stop(self) -> None:
        """Stop the application and close every connection."""
        await self._lifespan.__aexit__(None, None, None)
        await self.storage.close()

    @contextmanager
    def configured(self, **settings: Any) -> Generator["Gateway"]:  # noqa: ANN401 - any setting
        """Run another gateway on the same database, with other settings."""
        other = Gateway(self._runner, self.database_url, self.sessions_url, **settings)
        other.run(other.start())
        yield other
        other.run(other.stop())

    def load(self, rows: Iterable[Mapping[str, Any]]) -> IngestResult:
        """Store sessions; a row maps names of `Session` fields to values, some or all."""
        updates = []
        for row in rows:
            values = dict(row)
            updates.append(SessionUpdate(values.pop("org_id"), values.pop("session_id"), values))

        async def upsert_all() -> IngestResult:
            async with self.storage.sessions.transaction() as upsert:
                return await upsert(updates)

        return self.run(upsert_all())

    def token(self, org_id: str | None = None, *permissions: str, days: float | None = None) -> str:
        """Return the token of a new service user; without an organization, enterprise level."""
        return self.run(
            create_service_user(
                self.database,
                "test",
                tenant=ENTERPRISE if org_id is None else org_id,
                permissions=permissions or (DEFAULT_PERMISSION,),
                expires_in_days=days,
            )
        ).token

    def request(self, method: str, path: str, token: str | None, **kwargs: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send one request."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= kwargs.pop("headers", {})
        return self.run(self.client.request(method, path, headers=headers, **kwargs))

    def rest(self, org_id: str, token: str | None, **parameters: Any) -> httpx.Response:  # noqa: ANN401 - any value
        """Request session metrics of an organization over REST."""
        path = f"/v3/organizations/{org_id}/metrics/sessions"
        return self.request("GET", path, token, params=parameters)

    def enterprise(self, token: str | None, **parameters: Any) -> httpx.Response:  # noqa: ANN401 - any value
        """Request session metrics of the enterprise over REST."""
        return self.request("GET", "/v3/enterprise/metrics/sessions", token, params=parameters)

    def graphql(
        self, query: str, token: str | None, variables: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Post a GraphQL document."""
        body = {"query": query, "variables": variables}
        return self.request("POST", "/graphql", token, json=body)

    def metrics(
        self, selection: str, org_id: str, token: str, filters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return `sessionMetrics` of a query that must succeed."""
        body = self.graphql(
            "query ($org: ID!, $filters: SessionMetricsFilters!)"
            f" {{ sessionMetrics(orgId: $org, filters: $filters) {selection} }}",
            token,
            {"org": org_id, "filters": dict(filters)},
        ).json()
        assert "errors" not in body, body
        metrics: dict[str, Any] = body["data"]["sessionMetrics"]
        return metrics


def set_revision(gateway: Gateway, revision: str) -> None:
    """Store a revision of the schema, and leave the tables as they are."""

    async def update() -> None:
        async with gateway.database.transaction() as connection:
            await connection.execute(
                sa.text("UPDATE alembic_version SET version_num = :revision"),
                {"revision": revision},
            )

    gateway.run(update())


def inconsistencies(gateway: Gateway) -> list[str]:
    """Return the inconsistencies that `verify` finds."""
    sessions = gateway.storage.sessions
    return [
        description
        for unit in gateway.run(sessions.verification_units())
        for description in gateway.run(sessions.verify(unit))
    ]


@pytest.fixture(scope="session")
def postgresql() -> Generator[PostgreSQLServer]:
    """Return a PostgreSQL server: the one that the environment names, or one for the tests."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse() -> Generator[ClickHouseDatabases]:
    """Return a ClickHouse: the one that the environment names, or one inside this process."""
    with clickhouse_engine() as databases:
        yield databases


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Return the packages of a release. The first process that needs them builds them for all."""
    base = tmp_path_factory.getbasetemp()
    return build(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


on_every_engine = pytest.mark.engines("sqlite", "postgresql", "clickhouse")
"""For tests of ingest and queries, which ClickHouse supports, too."""


def reads_sessions(sql: str) -> bool:
    """Return whether a statement reads sessions or roll-ups: in ClickHouse, those in `facts`."""
    return "facts" in sql or ("created_at" in sql and "sessions" in sql)


only_clickhouse = pytest.mark.engines("clickhouse")

only_sqlite = pytest.mark.engines("sqlite")
"""For tests of SQLite's files, locks and settings, and of what does not depend on the engine."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that need an engine on both databases, or on those that the nearest mark names."""
    if "engine" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("engines")
        names = mark.args if mark else ("sqlite", "postgresql")
        metafunc.parametrize("engine", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    """Return an engine by its name."""
    if request.param == "sqlite":
        return SQLiteFiles()
    server: Engine = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def gateway(engine: Engine, tmp_path: Path) -> Generator[Gateway]:
    """Return a running gateway on an empty database."""
    url = engine.new_database(tmp_path)
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, url, engine.new_sessions())
        gateway.run(gateway.start())
        yield gateway
        gateway.run(gateway.stop())


@pytest.fixture(scope="module")
def loaded(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway]:
    """Return a running gateway that the tests of a module share, each with own organizations."""
    url = engine.new_database(tmp_path_factory.mktemp("loaded"))
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, url)
        gateway.run(gateway.start())
        yield gateway
        gateway.run(gateway.stop())


@pytest.fixture(scope="module")
def server(loaded: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """Run a server of the same database in a process of its own."""
    log = tmp_path_factory.mktemp("log") / "log"
    with served(loaded.database_url, log, cache_ttl=0) as server:
        yield server


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Return a function that advances the monotonic clock."""
    elapsed = 0.0
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + elapsed)

    def advance(seconds: float) -> None:
        nonlocal elapsed
        elapsed += seconds

    return advance


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that collects the SQL of each statement that reads."""
    texts: list[str] = []
    for reader in (Database, ClickHouseSessionStore):
        monkeypatch.setattr(reader, "fetch", recording(reader.fetch, texts))
    return texts


def recording(fetch: Any, texts: list[str]) -> Any:  # noqa: ANN401 - a method of either class
    """Return a `fetch` that records each statement before it executes it."""

    async def recorded(self: Any, statement: Any, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        texts.append(statement.sql)
        return await fetch(self, statement, *rest, **options)

    return recorded
