"""A v3 API to pull from."""

import shutil
from collections.abc import Generator

import pytest

from tests.ingestion.connections import Certificates, TunnelProxy, issue_certificates, tunnel_proxy
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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return a certificate authority that nothing trusts by default."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    return issue_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def running_tls_v3(certificates: Certificates) -> Generator[V3Server]:
    """Run a server with a certificate of that authority."""
    with v3_server(certificate=certificates.chain, key=certificates.key) as server:
        yield server


@pytest.fixture
def tls_v3(running_tls_v3: V3Server, monkeypatch: pytest.MonkeyPatch) -> V3Server:
    """Return the server, without trust in its authority, and without proxies."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    running_tls_v3.reset()
    running_tls_v3.add(1)
    return running_tls_v3


@pytest.fixture
def proxy() -> Generator[TunnelProxy]:
    """Return a proxy that opens every tunnel."""
    with tunnel_proxy() as proxy:
        yield proxy
