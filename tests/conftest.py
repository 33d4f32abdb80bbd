"""A whole gateway in process, on a real database, for tests to load and to ask."""

import asyncio
import os
from collections.abc import Coroutine, Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, settings

from metrics_graphql import auth
from metrics_graphql.app import create_app
from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.settings import Settings
from metrics_graphql.store import verification
from metrics_graphql.store.clickhouse.connection import ClickHouseSessions
from metrics_graphql.store.engine import Database, Reader
from metrics_graphql.store.ingest import Written
from metrics_graphql.store.store import open_store
from tests.engines import ClickHouseDatabases, Engine, PostgreSQLServer, SQLiteFiles
from tests.engines import clickhouse as some_clickhouse
from tests.engines import postgresql as own_postgresql
from tests.packages import Packages, build
from tests.serving import Server, served

T = TypeVar("T")

new_organization = map("org-{}".format, count())
"""Organizations that no other example has used."""

settings.register_profile(
    "tests",
    deadline=None,  # a test states facts, not timings
    # One gateway serves every example of a test; each example uses organizations of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("tests")


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
        self.store = open_store(database_url, sessions_url)
        self.database = self.store.database
        urls: dict[str, Any] = {"database_url": database_url, "sessions_url": sessions_url}
        # Tests load and ask in turns: what a moment ago was true must not be remembered.
        self.app = create_app(Settings(**urls, **{"freshness": 0, **settings}))
        self.transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=self.transport, base_url="http://gateway")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    async def start(self) -> None:
        """Start the application, which makes the tables."""
        self._lifespan = self.app.router.lifespan_context(self.app)
        await self._lifespan.__aenter__()

    async def stop(self) -> None:
        """Stop the application and close every connection."""
        await self._lifespan.__aexit__(None, None, None)
        await self.store.close()

    @contextmanager
    def configured(self, **settings: Any) -> Generator["Gateway"]:  # noqa: ANN401 - any setting
        """Lend another gateway on the same database, with other settings."""
        other = Gateway(self._runner, self.database_url, self.sessions_url, **settings)
        other.run(other.start())
        yield other
        other.run(other.stop())

    def load(self, rows: Iterable[Mapping[str, Any]]) -> Written:
        """Store sessions; a row maps names of `Session` fields to values, some or all."""
        updates = []
        for row in rows:
            values = dict(row)
            updates.append(SessionUpdate(values.pop("org_id"), values.pop("session_id"), values))

        async def write() -> Written:
            async with self.store.writing() as write:
                return await write(updates)

        return self.run(write())

    def token(self, org_id: str | None = None, *permissions: str, days: float | None = None) -> str:
        """Return the token of a new service user; without an organization, enterprise level."""
        return self.run(
            auth.create_service_user(
                self.database,
                "test",
                org_id=org_id,
                permissions=permissions or (auth.DEFAULT_PERMISSION,),
                expires_in_days=days,
            )
        ).token

    def request(self, method: str, path: str, token: str | None, **kwargs: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send one request."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= kwargs.pop("headers", {})
        return self.run(self.client.request(method, path, headers=headers, **kwargs))

    def rest(self, org_id: str, token: str | None, **parameters: Any) -> httpx.Response:  # noqa: ANN401 - any value
        """Ask the REST door."""
        path = f"/v3/organizations/{org_id}/metrics/sessions"
        return self.request("GET", path, token, params=parameters)

    def enterprise(self, token: str | None, **parameters: Any) -> httpx.Response:  # noqa: ANN401 - any value
        """Ask the REST door about all organizations, or some."""
        return self.request("GET", "/v3/enterprise/metrics/sessions", token, params=parameters)

    def graphql(
        self, query: str, token: str | None, variables: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Ask the GraphQL door."""
        body = {"query": query, "variables": variables}
        return self.request("POST", "/graphql", token, json=body)

    def metrics(
        self, selection: str, org_id: str, token: str, filters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return `sessionMetrics` of a question that must succeed."""
        answer = self.graphql(
            "query ($org: ID!, $filters: SessionMetricsFilters!)"
            f" {{ sessionMetrics(orgId: $org, filters: $filters) {selection} }}",
            token,
            {"org": org_id, "filters": dict(filters)},
        ).json()
        assert "errors" not in answer, answer
        metrics: dict[str, Any] = answer["data"]["sessionMetrics"]
        return metrics


def differences(gateway: Gateway) -> list[str]:
    """Return what a recount finds wrong, in words."""
    return [
        str(difference)
        for chunk in gateway.run(verification.chunks(gateway.database))
        for difference in gateway.run(verification.verify(gateway.database, chunk))
    ]


@pytest.fixture(scope="session")
def postgresql() -> Generator[PostgreSQLServer]:
    """Lend a PostgreSQL server: the one that the environment names, or one of our own."""
    if url := os.environ.get("METRICS_TEST_POSTGRES_URL"):
        yield PostgreSQLServer(url)
        return
    with own_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse() -> Generator[ClickHouseDatabases]:
    """Lend a ClickHouse: the one that the environment names, or one inside this process."""
    with some_clickhouse() as databases:
        yield databases


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Return what a release is made of: whichever process comes first builds it for all."""
    base = tmp_path_factory.getbasetemp()
    return build(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


on_every_engine = pytest.mark.engines("sqlite", "postgresql", "clickhouse")
"""For tests of what is written and what is answered: ClickHouse may have the sessions."""

only_clickhouse = pytest.mark.engines("clickhouse")

only_sqlite = pytest.mark.engines("sqlite")
"""For tests of what is SQLite's own: its files, its locks, its settings."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs an engine on both databases, or on those that the nearest mark names."""
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
    """Lend a started gateway over an empty database."""
    url = engine.new_database(tmp_path)
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, url, engine.new_sessions())
        gateway.run(gateway.start())
        yield gateway
        gateway.run(gateway.stop())


@pytest.fixture(scope="module")
def loaded(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway]:
    """Lend a gateway to all tests of a module; each has organizations of its own."""
    url = engine.new_database(tmp_path_factory.mktemp("loaded"))
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, url)
        gateway.run(gateway.start())
        yield gateway
        gateway.run(gateway.stop())


@pytest.fixture(scope="module")
def server(loaded: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """Lend a server of the same database, in a process of its own."""
    log = tmp_path_factory.mktemp("log") / "log"
    with served(loaded.database_url, log, freshness=0) as server:
        yield server


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lend a list to which each statement that reads adds its text."""
    texts: list[str] = []
    for reader in (Database, ClickHouseSessions):
        monkeypatch.setattr(reader, "fetch", noting(reader.fetch, texts))
    return texts


def noting(fetch: Any, texts: list[str]) -> Any:  # noqa: ANN401 - a method of either class
    """Return the same way to read, which notes each statement."""

    async def noted(self: Reader, prepared: Any, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        texts.append(prepared.sql)
        return await fetch(self, prepared, *rest, **options)

    return noted
