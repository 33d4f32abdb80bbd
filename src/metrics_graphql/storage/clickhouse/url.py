"""ClickHouse URLs, which are checked: the driver would send unknown parameters to the server."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from metrics_graphql.storage.dialects.from_url import ASCII_CONTROL_CHARACTER, correction

BOOLEAN: Final = "true|false"
NUMBER: Final = "[0-9]{1,9}"
PARAMETERS: Final[Mapping[str, str]] = {
    "access_token": ".+",
    "ca_cert": ".+",
    "client_cert": ".+",
    "client_cert_key": ".+",
    "client_name": ".+",
    "compress": f"{BOOLEAN}|lz4|zstd|br|gzip",
    "compression": f"{BOOLEAN}|lz4|zstd|br|gzip",
    "connect_timeout": NUMBER,
    "http_proxy": ".+",
    "https_proxy": ".+",
    "interface": "http|https|chdb",
    "native_codec": "python|rust|rust_strict",
    "path": ".+",
    "proxy_path": ".+",
    "query_retries": NUMBER,
    "secure": BOOLEAN,
    "send_receive_timeout": NUMBER,
    "server_host_name": ".+",
    "tls_mode": "proxy|strict|mutual",
    "verify": f"{BOOLEAN}|proxy",
}
"""The parameters of a URL, and patterns of their values. Any other value of `secure` or `verify`
would disable it."""
FILES: Final = ("ca_cert", "client_cert", "client_cert_key")
SERVER_SETTING_PREFIX: Final = "ch_"
"""The prefix of a parameter that the driver sends to the server as a setting."""


def parse_url(url: str) -> sa.URL:
    """Return a URL of ClickHouse.

    Raises:
        ValueError: the URL cannot be used. The message contains no password.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # Not raised with this error as its cause, whose text contains the password.
        parsed = None
    if (
        parsed is None
        or parsed.drivername not in {"clickhousedb", "clickhousedb+connect"}
        or ASCII_CONTROL_CHARACTER.search(url)
    ):
        raise ValueError(
            "not a ClickHouse URL; it should look like clickhousedb://user:password@host/db"
        )
    for name, value in parsed.query.items():
        check_parameter(name, value)
    if is_embedded(parsed) and not parsed.query.get("path"):
        raise ValueError("an embedded ClickHouse needs a path, or it stores nothing")
    if "path" in parsed.query and not is_embedded(parsed):
        raise ValueError("path in a ClickHouse URL needs interface=chdb")
    return parsed


def is_embedded(parsed: sa.URL) -> bool:
    """Return whether a URL is one of chdb, ClickHouse in this process."""
    return parsed.query.get("interface") == "chdb"


def check_parameter(name: str, value: str | tuple[str, ...]) -> None:
    """Refuse an unknown parameter, and an invalid value of a known one.

    Raises:
        ValueError: the parameter cannot be used. The message names it, without its value.
    """
    if name.startswith(SERVER_SETTING_PREFIX):
        return
    if name not in PARAMETERS:
        raise ValueError(
            f"{name} is not a parameter of a ClickHouse URL; a setting of the server is written"
            f" {SERVER_SETTING_PREFIX}NAME; {correction(name, PARAMETERS)}"
        )
    if not isinstance(value, str):
        raise ValueError(f"{name} appears twice in the ClickHouse URL")  # noqa: TRY004 - of a URL
    pattern = PARAMETERS[name]
    if not re.fullmatch(pattern, value):
        allowed = {NUMBER: "a whole number", ".+": "a value"}.get(
            pattern, f"one of {pattern.replace('|', ', ')}"
        )
        raise ValueError(f"{name} in the ClickHouse URL must be {allowed}")
    if name in FILES and value != "certifi" and not Path(value).is_file():
        raise ValueError(f"{name} in the ClickHouse URL names a file that does not exist")
