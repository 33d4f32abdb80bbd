"""PostgreSQL URLs, services and `PG*` variables: libpq's parameters, as arguments of asyncpg."""

import getpass
import random
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from metrics_graphql.storage.dialects.from_url import correction
from metrics_graphql.storage.dialects.postgresql_parameters import (
    CHOICES,
    SESSION_VARIABLES,
    SUPPORTED,
    UNSUPPORTED,
    Sourced,
)
from metrics_graphql.storage.dialects.postgresql_tls import home_directory, tls_arguments

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for each host. A request has its own deadline in addition."""
DEFAULT_PORT: Final = 5432
APPLICATION_NAME: Final = "metrics-graphql"
URL: Final = re.compile(
    # As libpq does, except that a password may contain a slash.
    r"(?:(?P<user>[^:/@?]*)(?::(?P<password>[^@?]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<dbname>[^?]*))?(?:\?(?P<query>.*))?"
)
HOST: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]@]*)(?::(?P<port>[^:]*))?")


@dataclass(frozen=True)
class ConnectionOptions:
    """How to connect: the hosts to try in order, and arguments of `asyncpg.connect`."""

    addresses: tuple[tuple[str | None, int], ...]
    """Without a host, the driver tries the usual Unix sockets, then localhost."""
    shuffle: bool
    """Whether the hosts are tried in random order."""
    target_session_attrs: str
    timeout: float | None
    """Seconds for each host; None: as long as it takes."""
    server_settings: dict[str, str]
    arguments: dict[str, Any] = field(repr=False)

    def attempts(self) -> list[dict[str, Any]]:
        """Return the arguments of each attempt to connect, in order, until one succeeds."""
        addresses = list(self.addresses)
        if self.shuffle:
            random.shuffle(addresses)
        # Each host is an attempt of its own: given all of them, the driver would have one timeout
        # for all, and give up at the first host that does not respond.
        is_preference = self.target_session_attrs == "prefer-standby"
        targets = ["standby", "any"] if is_preference else [self.target_session_attrs]
        return [
            {
                **self.arguments,
                "host": host,
                "port": port,
                "target_session_attrs": target,
                "timeout": self.timeout,
            }
            for target in targets
            for host, port in addresses
        ]


def read_options(url: str, environment: Mapping[str, str]) -> ConnectionOptions:
    """Return how to connect: by the URL, then a service, then `PG*` variables, as libpq does.

    Raises:
        ValueError: a parameter or a variable cannot be used. The message names it, without its
            value.
    """
    given = parse_url(url)
    variables = {
        name: Sourced(environment[variable], variable)
        for name, variable in {
            **SUPPORTED,
            **{n: u.variable for n, u in UNSUPPORTED.items()},
        }.items()
        if variable in environment
    }
    given = {**variables, **read_service({**variables, **given}, environment), **given}
    check_supported(given)
    values = {name: sourced.value for name, sourced in given.items()}
    user = values.get("user") or operating_system_user()
    server_settings = {
        setting: environment[name]
        for name, setting in SESSION_VARIABLES.items()
        if name in environment
    }
    server_settings["application_name"] = (
        values.get("application_name")
        or values.get("fallback_application_name")
        or APPLICATION_NAME
    )
    if "options" in values:
        server_settings["options"] = values["options"]
    addresses = read_addresses(given)
    return ConnectionOptions(
        addresses=addresses,
        shuffle=values.get("load_balance_hosts") == "random",
        target_session_attrs=values.get("target_session_attrs", "any"),
        timeout=read_timeout(given.get("connect_timeout")),
        server_settings=server_settings,
        arguments={
            "user": user,
            "password": values.get("password"),
            "passfile": values.get("passfile"),
            "database": values.get("dbname") or user,
            "krbsrvname": values.get("krbsrvname"),
            "gsslib": values.get("gsslib", "gssapi"),
            **tls_arguments(
                given, is_local=all((host or "").startswith("/") for host, _ in addresses)
            ),
        },
    )


def parse_url(url: str) -> dict[str, Sourced]:
    """Return the parameters of a URL that have a value.

    Raises:
        ValueError: the URL is malformed, or has an unknown parameter.
    """
    found = URL.fullmatch(url.partition("://")[2])
    if found is None or "://" not in url:
        raise ValueError(
            "not a PostgreSQL URL; it should look like postgresql://user@host/database"
        )
    parts = found.groupdict()
    hosts = [HOST.fullmatch(each) for each in parts.pop("hosts").split(",")]
    if "@" in "".join(each[0] if each else "@" for each in hosts):
        raise ValueError(
            "the hosts of the PostgreSQL URL are malformed; in a user name or password,"
            " write @ as %40, : as %3A, / as %2F and ? as %3F"
        )
    parts["host"] = ",".join(each["host"] for each in hosts if each)
    ports = [each["port"] or "" for each in hosts if each]
    parts["port"] = ",".join(ports) if any(ports) else None
    query = parts.pop("query")
    given = {name: decode(name, value) for name, value in parts.items() if value}
    names: set[str] = set()
    for item in query.split("&") if query else ():
        name, separator, value = item.partition("=")
        if not separator or name not in {*SUPPORTED, *UNSUPPORTED, "ssl"}:
            raise ValueError(unknown_parameter(name if separator else ""))
        if name in names:
            raise ValueError(f"{name} appears twice in the PostgreSQL URL")
        names.add(name)
        if name == "ssl":  # Of JDBC, which libpq accepts, too.
            if value != "true":
                raise ValueError("ssl is not a parameter of a PostgreSQL URL; use sslmode")
            name, value = "sslmode", "require"
        given |= {name: decode(name, value)} if value else {}
    return {name: Sourced(value, name) for name, value in given.items()}


def decode(name: str, value: str) -> str:
    """Return a percent-decoded value.

    Raises:
        ValueError: the value is not UTF-8, or contains NUL.
    """
    try:
        decoded = unquote(value, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise ValueError(f"{name} in the PostgreSQL URL is not UTF-8 after percent-decoding")
    return decoded


def unknown_parameter(name: str) -> str:
    """Return the message about a parameter that libpq does not have."""
    if not re.fullmatch("[A-Za-z_]+", name):
        # It may be part of a password.
        return "the part after ? in the PostgreSQL URL must be name=value pairs, joined with &"
    return f"{name} is not a parameter of a PostgreSQL URL; {correction(name, SUPPORTED)}"


def read_service(
    given: Mapping[str, Sourced], environment: Mapping[str, str]
) -> dict[str, Sourced]:
    """Return the parameters of a service in libpq's connection service file.

    Raises:
        ValueError: no file has the service, or a file is malformed.
    """
    service = given.get("service")
    if service is None:
        return {}
    file = given.get("servicefile")
    files = [Path(file.value) if file else home_directory() / ".pg_service.conf"]
    if "PGSYSCONFDIR" in environment:
        files.append(Path(environment["PGSYSCONFDIR"]) / "pg_service.conf")
    for path in files:
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except (ConfigParserError, UnicodeDecodeError, OSError):
            raise ValueError(f"{service.name}: {path} is not a connection service file") from None
        if service.value in parser:
            found = parser[service.value]
            for name in found:
                if name not in SUPPORTED and name not in UNSUPPORTED:
                    raise ValueError(f"{name} in {path} is not a parameter of PostgreSQL")
            return {
                name: Sourced(found[name], f"{name} in {path}") for name in found if found[name]
            }
    raise ValueError(f"{service.name} names a service that is not in {files[0]}")


def check_supported(given: Mapping[str, Sourced]) -> None:
    """Check that the driver supports the parameters and their values.

    Raises:
        ValueError: a parameter or its value is not supported. The message names it.
    """
    for name, (value, source) in given.items():
        if name in UNSUPPORTED and value not in UNSUPPORTED[name].harmless:
            raise ValueError(f"{source} is not supported: {UNSUPPORTED[name].reason}")
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{source} must be one of {', '.join(CHOICES[name])}")
    encoding = given.get("client_encoding")
    if encoding and encoding.value.lower().replace("-", "") not in {"utf8", "unicode", "auto"}:
        raise ValueError(f"{encoding.name} must be UTF8")


def read_addresses(given: Mapping[str, Sourced]) -> tuple[tuple[str | None, int], ...]:
    """Return the hosts and their ports.

    Raises:
        ValueError: a port is not a number, or hosts and ports do not match.
    """
    hosts = given["host"].value.split(",") if "host" in given else [""]
    if not all(hosts) and len(hosts) > 1:
        raise ValueError(f"{given['host'].name} must not have an empty name between commas")
    ports = given.get("port", Sourced("", "port"))
    numbers = [number or str(DEFAULT_PORT) for number in ports.value.split(",")]
    if not all(re.fullmatch("[0-9]{1,5}", each) and 0 < int(each) < 65_536 for each in numbers):  # noqa: PLR2004
        raise ValueError(f"{ports.name} must be a number from 1 to 65535, or one for each host")
    if len(numbers) == 1:
        numbers *= len(hosts)
    if len(numbers) != len(hosts):
        raise ValueError(f"{ports.name} must be one number, or one for each host")
    names = (host.strip("[]") or None for host in hosts)
    return tuple(zip(names, map(int, numbers), strict=True))


def read_timeout(given: Sourced | None) -> float | None:
    """Return the seconds for each host; None for as long as it takes.

    Raises:
        ValueError: the value is not a whole number.
    """
    if given is None:
        return CONNECT_TIMEOUT
    if not re.fullmatch(r"-?[0-9]{1,9}", given.value):
        raise ValueError(f"{given.name} must be a whole number of seconds")
    seconds = int(given.value)
    return seconds if seconds > 0 else None


def operating_system_user() -> str:
    """Return the name of the user that runs this process.

    Raises:
        ValueError: the user has no name, as in some containers.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise ValueError("the PostgreSQL URL has no user, and PGUSER is not set") from None
