"""A v3 API to pull from."""

from collections.abc import Generator

import pytest

from tests.loading.v3_server import V3Server, v3_server


@pytest.fixture(scope="session")
def running_v3() -> Generator[V3Server]:
    """Lend the server that all tests share, as one of them left it."""
    with v3_server() as server:
        yield server


@pytest.fixture
def v3(running_v3: V3Server) -> V3Server:
    """Return a server that does as documented, and has no sessions."""
    running_v3.reset()
    return running_v3
