"""Connections of the v3 client: certificate authorities, proxies, and which errors are final."""

import socket
import subprocess
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.ingestion.http_connection import describe_failure
from metrics_graphql.ingestion.v3_client import MAX_ATTEMPTS, V3Client
from tests.ingestion.connections import Certificates, TunnelProxy
from tests.ingestion.test_v3_client import fetch, fetch_error
from tests.ingestion.v3_server import TOKEN, V3Server, v3_server
from tests.serving import free_port

# Certificates and hosts


def test_a_company_authority_can_be_trusted(
    tls_v3: V3Server, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file, or in a directory whose files have the names that OpenSSL looks up."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    assert len(fetch(tls_v3.url).page.items) == 1

    monkeypatch.setenv("SSL_CERT_FILE", "")
    (tmp_path / "ca.pem").write_bytes(certificates.authority.read_bytes())
    subprocess.run(["openssl", "rehash", tmp_path], check=True)  # noqa: S607 - any openssl
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert len(fetch(tls_v3.url).page.items) == 1


def test_an_unknown_authority_is_an_error_at_once(tls_v3: V3Server) -> None:
    """One sentence names the variable to set."""
    delays: list[float] = []
    message = str(fetch_error(tls_v3.url, delays=delays))

    assert "certificate of localhost cannot be verified (unable to get local issuer" in message
    assert message.endswith("set SSL_CERT_FILE to a PEM file with its certificate")
    assert delays == []
    assert tls_v3.requests == []


def test_other_certificates_that_are_not_valid(
    tls_v3: V3Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expired, or for another host: SSL_CERT_FILE would not help."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    delays: list[float] = []
    by_address = fetch_error(tls_v3.url.replace("localhost", "127.0.0.1"), delays=delays)
    with v3_server(certificate=certificates.expired, key=certificates.key) as expired:
        renewed = fetch_error(expired.url, delays=delays)

    assert str(by_address).endswith("; use a host name that it is valid for")
    assert "certificate has expired); it has to be renewed" in str(renewed)
    assert delays == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SSL_CERT_FILE", "/nowhere.pem", "/nowhere.pem: No such file or directory"),
        ("SSL_CERT_FILE", "/", "/: Is a directory"),
        ("SSL_CERT_FILE", __file__, "has no certificate in PEM form"),
        ("SSL_CERT_DIR", "/nowhere", "/nowhere is not a directory"),
    ],
)
def test_variables_without_certificates_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    """The error names the variable."""
    monkeypatch.setenv(name, value)

    with pytest.raises(BadUserInput, match=reason) as refused:
        V3Client("https://api.example.com", "org-1", TOKEN)
    assert refused.value.path == (name,)


def test_a_server_without_tls_is_an_error_at_once(v3: V3Server) -> None:
    """The scheme or the port is wrong."""
    delays: list[float] = []
    message = str(fetch_error(v3.url.replace("http", "https"), delays=delays))

    assert message.endswith("127.0.0.1 does not respond with TLS; check the scheme and the port")
    assert delays == []


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", "a..example"])
def test_an_unknown_host_is_an_error_at_once(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that cannot exist, too."""
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    delays: list[float] = []
    message = str(fetch_error(f"https://{host}", delays=delays))

    assert message.endswith(f"the host {host} does not exist; check --base-url")
    assert delays == []


def unknown_host(host: str | bytes, *_: object, **__: object) -> None:
    """Fail as the resolver does."""
    (host.decode() if isinstance(host, bytes) else host).encode("idna")
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_resolver_that_fails_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may know the host soon."""

    def failing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", failing)
    delays: list[float] = []
    message = str(fetch_error("https://api.example.com", delays=delays))

    assert "cannot connect to api.example.com: " in message
    assert message.endswith("Temporary failure in name resolution")
    assert len(delays) == MAX_ATTEMPTS - 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectTimeout(""), "no connection to api.example.com within 60 s"),
        (httpx.ReadTimeout(""), "no complete response within 60 s"),
        (TimeoutError(), "no complete response within 60 s"),
        (httpx.ReadError(""), "the connection broke: ReadError"),
    ],
)
def test_timeouts_are_retried(error: Exception, reason: str) -> None:
    """Whichever part of the request takes too long."""
    failure = describe_failure(error, httpx.URL("https://api.example.com"), None)

    assert failure == (reason, True)


# Proxies


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "--proxy"])
def test_a_proxy_tunnels(
    tls_v3: V3Server,
    certificates: Certificates,
    proxy: TunnelProxy,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """It gets its own user and password, and not the token."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    url = f"http://user:p%40ss@{proxy.address}"
    if name != "--proxy":
        monkeypatch.setenv(name, url)
    page = fetch(tls_v3.url, proxy=url if name == "--proxy" else None).page

    assert len(page.items) == 1
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {tls_v3.url.removeprefix('https://')} ")
    assert b64encode(b"user:p@ss").decode() in head
    assert TOKEN not in head


@pytest.mark.parametrize("hosts", ["localhost", "*", "example.com, localhost"])
def test_hosts_without_a_proxy(
    tls_v3: V3Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    """`NO_PROXY` has them."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", hosts)

    assert len(fetch(tls_v3.url).page.items) == 1


@pytest.mark.parametrize(
    ("user", "response", "reason", "attempts"),
    [
        ("", "407 Proxy Authentication Required", ": HTTPS_PROXY must have a user", 1),
        ("u:s3cret@", "407 No", ": the user or the password in HTTPS_PROXY is wrong", 1),
        ("", "403 Forbidden", "returned 403 Forbidden", 1),
        ("", "503 Unavailable", "returned 503 Unavailable", MAX_ATTEMPTS),
    ],
)
def test_a_proxy_that_refuses(  # noqa: PLR0913, PLR0917 - a table
    tls_v3: V3Server,
    proxy: TunnelProxy,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    response: str,
    reason: str,
    attempts: int,
) -> None:
    """An error of the client is final. The message has no password."""
    proxy.response = response
    monkeypatch.setenv("HTTPS_PROXY", f"http://{user}{proxy.address}")
    message = str(fetch_error(tls_v3.url))

    assert f"the proxy {proxy.address} returned {response}" in message
    assert reason in message
    assert "s3cret" not in message
    assert len(proxy.heads) == attempts


def test_a_proxy_that_cannot_be_reached(tls_v3: V3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the proxy, and not the API. A proxy may have no scheme."""
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("ALL_PROXY", address)

    message = str(fetch_error(tls_v3.url))
    assert message.endswith(f"cannot connect to the proxy {address}: Connection refused")


def test_an_unknown_proxy_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable."""
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")

    message = str(fetch_error("https://api.example.com"))
    assert message.endswith("the host proxy.invalid does not exist; check HTTPS_PROXY")


@pytest.mark.parametrize(
    "url", ["socks5://proxy:1080", "ftp://proxy", "http://", "", "http://a:port", "http://a:0/x"]
)
@pytest.mark.parametrize("name", ["proxy", "HTTPS_PROXY"])
def test_an_invalid_proxy_is_refused(
    tls_v3: V3Server, monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    """The error names the option or the variable. An empty variable names no proxy."""
    monkeypatch.setenv("HTTPS_PROXY", url)
    if name == "HTTPS_PROXY" and not url:
        assert V3Client("https://api.example.com", "org-1", TOKEN).base_url
        return
    with pytest.raises(BadUserInput, match="must look like http://proxy") as refused:
        V3Client("https://a.example", "org-1", TOKEN, proxy=url if name == "proxy" else None)
    assert refused.value.path == (name,)


def test_a_proxy_elsewhere_needs_https(v3: V3Server) -> None:
    """It would receive the token."""
    with pytest.raises(BadUserInput, match="proxy needs an https base URL"):
        V3Client(v3.url, "org-1", TOKEN, proxy="http://proxy.example.com:3128")
