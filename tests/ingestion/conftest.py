"""A v3 API to pull from."""

from collections.abc import Generator

import pytest

from tests.ingestion.v3_server import V3Server, v3_server


@pytest.fixture(scope="session")
def running_v3() -> Generator[V3Server]:
    """Run one server for all tests, in the state that the last test left."""
    with v3_server() as server:
        yield server


@pytest.fixture
def v3(running_v3: V3Server) -> V3Server:
    """Return a server without sessions and without faults."""
    running_v3.reset()
    return running_v3
