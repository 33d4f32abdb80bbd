"""Fixtures of tests about caching."""

from typing import Any

import pytest

from metrics_graphql.storage.database import Database


@pytest.fixture
def metrics_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that collects the SQL of each statement that reads roll-ups."""
    texts: list[str] = []
    fetch = Database.fetch

    async def recorded(self: Database, statement: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        if "rollups" in statement.sql:
            texts.append(statement.sql)
        return await fetch(self, statement, values)

    monkeypatch.setattr(Database, "fetch", recorded)
    return texts
