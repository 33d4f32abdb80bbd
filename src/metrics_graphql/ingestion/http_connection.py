"""How the v3 client connects: base URL, certificate authorities and proxy. Describes failures.

Certificates and proxies are read from the variables that other HTTP clients read, too.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.request import getproxies, proxy_bypass

import httpx

from metrics_graphql.core.errors import BadUserInput, FieldPath

REQUEST_TIMEOUT: Final = 60.0
"""Seconds for one attempt, to the last byte of the body."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_PORT: Final = 65_535
EXAMPLE_PROXY: Final = "http://proxy.example.com:3128"
NO_SUCH_HOST: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)})
"""Errors of a name lookup that do not change if it is repeated."""
NOT_TLS: Final = frozenset(
    {"HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "WRONG_VERSION_NUMBER"}
)
"""OpenSSL's reasons for an error if the peer sends something other than TLS."""
CERTIFICATE_HINTS: Final = {
    9: "check the clock of this machine",  # CERT_NOT_YET_VALID
    10: "it has to be renewed, unless the clock of this machine is wrong",  # CERT_HAS_EXPIRED
    62: "use a host name that it is valid for",  # HOSTNAME_MISMATCH
    64: "use a host name that it is valid for",  # IP_ADDRESS_MISMATCH
}
"""What the operator can do about an error of verification, by OpenSSL's code `X509_V_ERR_*`."""
AUTHORITY_HINT: Final = (
    "if your company has its own certificate authority, set SSL_CERT_FILE to a PEM file with its"
    " certificate"
)


class Proxy(NamedTuple):
    """An HTTP proxy, and the option or variable that names it."""

    url: httpx.URL
    source: str

    @property
    def address(self) -> str:
        """The host and the port, without the password."""
        return self.url.netloc.decode("ascii")

    def for_httpx(self, context: ssl.SSLContext) -> httpx.Proxy:
        """Return the proxy as httpx takes it."""
        return httpx.Proxy(self.url, ssl_context=context if self.url.scheme == "https" else None)


class Failure(NamedTuple):
    """Why there is no complete response, and whether another attempt may succeed."""

    reason: str
    is_temporary: bool


def check_base_url(value: str) -> httpx.URL:
    """Return a base URL without trailing slashes, and without `/v3` at its end.

    Raises:
        BadUserInput: the value is not an http URL, has other parts than a host and a path, or the
            token would be sent unencrypted.
    """
    path = ("base_url",)
    url = parse_http_url(value)
    if url is None:
        raise BadUserInput(path, "must look like https://api.example.com")
    if url.userinfo or url.query or url.fragment:
        raise BadUserInput(path, "must not have a user, query or fragment")
    if url.scheme == "http" and url.host not in LOOPBACK:
        raise BadUserInput(path, "must be https, or the token would be sent unencrypted")
    return httpx.URL(str(url).rstrip("/").removesuffix("/v3").rstrip("/"))


def find_proxy(base_url: httpx.URL, option: str | None) -> Proxy | None:
    """Return the proxy of the option or, for an https URL, of `HTTPS_PROXY` or `ALL_PROXY`.

    An https URL is requested through a tunnel, in which the proxy does not see the token. For an
    http URL, the proxy must be on this machine. None if there is no proxy.

    Raises:
        BadUserInput: the URL of the proxy cannot be used.
    """
    if option is not None:
        proxy = _parse_proxy("proxy", option)
        if base_url.scheme == "http" and proxy.url.host not in LOOPBACK:
            raise BadUserInput(
                ("proxy",), "needs an https base URL, or the token would be sent unencrypted"
            )
        return proxy
    if base_url.scheme == "http" or proxy_bypass(f"{base_url.host}:{base_url.port or 443}"):
        return None
    proxies = getproxies()
    for scheme in ("https", "all"):
        if value := proxies.get(scheme):
            return _parse_proxy(f"{scheme}_proxy".upper(), value)
    return None


def _parse_proxy(name: str, value: str) -> Proxy:
    """Return the proxy that the option `proxy` or an upper-case variable names.

    Raises:
        BadUserInput: the value is not the URL of an HTTP proxy.
    """
    url = parse_http_url(value if "://" in value else f"http://{value}")
    if url is None or url.path not in {"", "/"} or url.query or url.fragment:
        raise BadUserInput((name,), f"must look like {EXAMPLE_PROXY}; SOCKS is not supported")
    return Proxy(url, name if name.isupper() else f"--{name}")


def parse_http_url(value: str) -> httpx.URL | None:
    """Return an absolute http or https URL; None if the text is not one."""
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        return None
    is_valid = url.scheme in {"https", "http"} and url.host and 0 < (url.port or 1) <= MAX_PORT
    return url if is_valid else None


def tls_context() -> ssl.SSLContext:
    """Return a context that trusts `SSL_CERT_FILE` and `SSL_CERT_DIR`, or else public authorities.

    Raises:
        BadUserInput: a variable names something other than certificates.
    """
    file, folders = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    # Checked here, because OpenSSL ignores a missing directory.
    for folder in (folders or "").split(os.pathsep):
        if folder and not os.path.isdir(folder):  # noqa: PTH112 - as OpenSSL reads it
            raise BadUserInput(("SSL_CERT_DIR",), f"cannot be used: {folder} is not a directory")
    path: FieldPath = ("SSL_CERT_FILE",)
    try:
        context = (
            ssl.create_default_context(cafile=file or None, capath=folders or None)
            if file or folders
            else httpx.create_ssl_context(trust_env=False)
        )
    except ssl.SSLError:
        raise BadUserInput(path, f"cannot be used: {file} has no certificate in PEM form") from None
    except OSError as error:
        raise BadUserInput(path, f"cannot be used: {file}: {error.strerror}") from None
    # Python 3.13 requires extensions that the certificates of company authorities often lack.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def describe_failure(error: Exception, base_url: httpx.URL, proxy: Proxy | None) -> Failure:
    """Return why a request had no complete response."""
    if isinstance(error, httpx.ProxyError) and proxy:
        return _describe_refusal(str(error), proxy)
    causes = list(causes_of(error))
    for cause in causes:
        if reason := _permanent_reason(cause, base_url, proxy):
            return Failure(reason, is_temporary=False)
    error_numbers = [each.errno for each in causes if isinstance(each, OSError) and each.errno]
    # Failed name lookups have negative numbers, which `strerror` does not know.
    has_strerror = bool(error_numbers) and error_numbers[-1] > 0
    detail = os.strerror(error_numbers[-1]) if has_strerror else str(error)
    peer = f"the proxy {proxy.address}" if proxy else base_url.netloc.decode("ascii")
    if isinstance(error, httpx.ConnectTimeout):
        reason = f"no connection to {peer} within {REQUEST_TIMEOUT:.0f} s"
    elif isinstance(error, httpx.TimeoutException | TimeoutError):
        reason = f"no complete response within {REQUEST_TIMEOUT:.0f} s"
    elif isinstance(error, httpx.ConnectError):
        reason = f"cannot connect to {peer}: {detail or 'the connection was closed'}"
    elif isinstance(error, httpx.DecodingError):
        reason = f"the body cannot be decompressed: {detail}"
    else:
        reason = f"the connection broke: {detail or type(error).__name__}"
    return Failure(reason, is_temporary=True)


def _permanent_reason(cause: BaseException, base_url: httpx.URL, proxy: Proxy | None) -> str:
    """Return the reason of a failure that would also meet another attempt; empty for all others."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _describe_certificate(cause, base_url, proxy)
    if isinstance(cause, ssl.SSLError) and cause.reason in NOT_TLS:
        return f"{base_url.host} does not respond with TLS; check the scheme and the port"
    # Python raises a `UnicodeError` for a host name with an empty or an overlong label.
    if isinstance(cause, UnicodeError) or (
        isinstance(cause, socket.gaierror) and cause.errno in NO_SUCH_HOST
    ):
        host, source = (proxy.url.host, proxy.source) if proxy else (base_url.host, "--base-url")
        return f"the host {host} does not exist; check {source}"
    return ""


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes; of an exception group, the first exception."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        else:
            cause = cause.__cause__ or cause.__context__


def _describe_refusal(status: str, proxy: Proxy) -> Failure:
    """Describe the status with which a proxy refused to open a tunnel.

    Other client errors than 408 and 429 are permanent.
    """
    reason = f"the proxy {proxy.address} returned {status}"
    if status.startswith("407"):
        reason += (
            f": the user or the password in {proxy.source} is wrong"
            if proxy.url.userinfo
            else f": {proxy.source} must have a user and a password, like"
            " http://USER:PASSWORD@proxy.example.com:3128"
        )
    return Failure(reason, is_temporary=not status.startswith("4") or status[:3] in {"408", "429"})


def _describe_certificate(
    error: ssl.SSLCertVerificationError, base_url: httpx.URL, proxy: Proxy | None
) -> str:
    """Describe a certificate that cannot be verified."""
    holder = base_url.host
    if proxy and proxy.url.scheme == "https":
        holder += f" or of the proxy {proxy.address}"
    hint = CERTIFICATE_HINTS.get(error.verify_code, AUTHORITY_HINT)
    message = error.verify_message.rstrip(".")
    return f"the certificate of {holder} cannot be verified ({message}); {hint}"
