"""URLs of PostgreSQL and `PG*` variables, as libpq reads them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from metrics_graphql.cli.runner import describe_error
from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects.postgresql_url import ConnectionOptions, read_options
from tests.engines import PostgreSQLServer

URL = "postgresql://user:secret@host/db"


def read(url: str, **environment: str) -> ConnectionOptions:
    """Return the options of a URL, and of nothing else."""
    return read_options(url, environment)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("postgresql://u@h/d", [("h", 5432)]),
        ("postgres://u@h:1/d", [("h", 1)]),
        ("postgresql+asyncpg://u@h:1/d", [("h", 1)]),
        ("postgresql://u@[::1]:2/d", [("::1", 2)]),
        ("postgresql://u@[2001:db8::1]/d", [("2001:db8::1", 5432)]),
        ("postgresql:///d?user=u&host=::1&port=2", [("::1", 2)]),
        ("postgresql://u@a:1,b:2,[::1]/d", [("a", 1), ("b", 2), ("::1", 5432)]),
        ("postgresql://u@a,b/d?port=1", [("a", 1), ("b", 1)]),
        ("postgresql://u@/d?host=a,b&port=1,2", [("a", 1), ("b", 2)]),
        ("postgresql://u@/d?host=/run/postgresql", [("/run/postgresql", 5432)]),
        ("postgresql://u@%2Frun%2Fpostgresql:7/d", [("/run/postgresql", 7)]),
        ("postgresql://u@h:1/d?host=other", [("other", 1)]),
        ("postgresql://u@/d", [(None, 5432)]),
    ],
)
def test_hosts(url: str, addresses: list[tuple[str | None, int]]) -> None:
    """One or several, as names, addresses or directories of sockets."""
    assert list(read(url).addresses) == addresses


@pytest.mark.parametrize(
    ("url", "user", "password", "database"),
    [
        ("postgresql://u:p@h/d", "u", "p", "d"),
        ("postgresql://u%40a:p%3A%2F%40%3F%25@h/d%2Fe", "u@a", "p:/@?%", "d/e"),
        ("postgresql://u:a+b@h/d", "u", "a+b", "d"),
        ("postgresql://u:a/b@h/d", "u", "a/b", "d"),
        ("postgresql://u:a#b@h/d", "u", "a#b", "d"),
        ("postgresql://u:100%@h/d", "u", "100%", "d"),
        ("postgresql://u:@h/d", "u", None, "d"),
        ("postgresql://u@h", "u", None, "u"),
        ("postgresql://h/d?user=u@a&password=a%2Bb&dbname=e", "u@a", "a+b", "e"),
    ],
)
def test_names_and_passwords(url: str, user: str, password: str | None, database: str) -> None:
    """They are percent-decoded once."""
    arguments = read(url).arguments

    assert arguments["user"] == user
    assert arguments["password"] == password
    assert arguments["database"] == database


def test_variables_are_used_where_the_url_leaves_something_out() -> None:
    """The URL takes precedence."""
    variables = {
        "PGHOST": "a,b",
        "PGPORT": "6432",
        "PGUSER": "someone",
        "PGPASSWORD": "word",
        "PGDATABASE": "base",
        "PGPASSFILE": "/passfile",
        "PGAPPNAME": "app",
        "PGOPTIONS": "-c geqo=off",
        "PGCONNECT_TIMEOUT": "9",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGTZ": "UTC",
        "PGSSLMODE": "require",
    }
    options = read("postgresql://", **variables)
    given = read("postgresql://u:p@h:1/d?sslmode=disable&application_name=mine", **variables)

    assert options.addresses == (("a", 6432), ("b", 6432))
    assert options.timeout == 9
    assert options.target_session_attrs == "read-write"
    assert options.server_settings == {
        "application_name": "app",
        "options": "-c geqo=off",
        "timezone": "UTC",
    }
    assert options.arguments["user"] == "someone"
    assert options.arguments["password"] == "word"
    assert options.arguments["database"] == "base"
    assert options.arguments["passfile"] == "/passfile"
    assert "sslmode=require" in options.arguments["dsn"]
    assert given.addresses == (("h", 1),)
    assert given.arguments["user"] == "u"
    assert given.arguments["password"] == "p"
    assert given.arguments["database"] == "d"
    assert given.server_settings["application_name"] == "mine"
    assert "sslmode=disable" in given.arguments["dsn"]


def test_a_service_is_read_from_its_file(tmp_path: Path) -> None:
    """Its parameters take precedence over variables, those of the URL over it."""
    file = tmp_path / "services"
    file.write_text("[metrics]\nhost=h\nport=7\nuser=u\ndbname=d\npassword=a%b\n")
    environment = {"PGSERVICEFILE": str(file), "PGUSER": "other", "PGSERVICE": "metrics"}
    options = read("postgresql://", **environment)
    named = read("postgresql:///e?service=metrics", PGSERVICEFILE=str(file))

    assert options.addresses == (("h", 7),)
    assert options.arguments["user"] == "u"
    assert options.arguments["password"] == "a%b"
    assert options.arguments["database"] == "d"
    assert named.arguments["database"] == "e"
    with pytest.raises(ValueError, match="PGSERVICE names a service that is not in"):
        read("postgresql://", **environment | {"PGSERVICE": "missing"})


def test_defaults() -> None:
    """Those of libpq, except the name of the application and the timeout."""
    options = read("postgresql://u@h/d")

    assert options.server_settings == {"application_name": "metrics-graphql"}
    assert options.timeout == 5
    assert options.target_session_attrs == "any"
    assert "sslmode=prefer" in options.arguments["dsn"]


@pytest.mark.parametrize(("value", "seconds"), [("3", 3), ("0", None), ("-1", None)])
def test_the_connect_timeout(value: str, seconds: int | None) -> None:
    """0 is none, as in libpq."""
    assert read(f"{URL}?connect_timeout={value}").timeout == seconds


@pytest.mark.parametrize(
    "parameters",
    [
        *("channel_binding=prefer", "gssencmode=disable", "gssencmode=prefer", "keepalives=0"),
        *("sslcompression=0", "sslsni=1", "sslcertmode=allow", "client_encoding=utf8", "ssl=true"),
        *("load_balance_hosts=random", "target_session_attrs=prefer-standby", "krbsrvname=pg"),
        *("sslrootcert=system", "sslrootcert=system&sslmode=verify-full", "sslmode="),
        *("options=-c%20geqo%3Doff", "fallback_application_name=a", "sslnegotiation=postgres"),
        *("max_protocol_version=latest", "ssl_min_protocol_version=TLSv1.3", "passfile=/p"),
    ],
)
def test_parameters_that_the_driver_can_follow(parameters: str) -> None:
    """Also those that ask for what it does anyway."""
    assert read(f"{URL}?{parameters}").addresses == (("host", 5432),)


@pytest.mark.parametrize(
    ("parameters", "variables", "reason"),
    [
        ("sslmode=require&channel_binding=require", {}, "channel_binding .*the driver has no"),
        ("", {"PGCHANNELBINDING": "require"}, "PGCHANNELBINDING .*the driver has no"),
        ("gssencmode=require", {}, "gssencmode .*the driver has no"),
        ("keepalives=1", {}, "keepalives .*the driver has no"),
        ("keepalives_idle=secret", {}, "keepalives_idle .*the driver has no"),
        ("tcp_user_timeout=5", {}, "tcp_user_timeout .*the driver has no"),
        ("hostaddr=127.0.0.1", {}, "hostaddr .*give the address as host"),
        ("", {"PGREQUIREAUTH": "scram-sha-256"}, "PGREQUIREAUTH .*the driver has no"),
        ("sslmode=secret", {}, "sslmode must be one of disable, allow"),
        ("", {"PGSSLMODE": "secret"}, "PGSSLMODE must be one of disable, allow"),
        ("target_session_attrs=secret", {}, "target_session_attrs must be one of any"),
        ("connect_timeout=secret", {}, "connect_timeout must be a whole number"),
        ("", {"PGCONNECT_TIMEOUT": "secret"}, "PGCONNECT_TIMEOUT must be a whole number"),
        ("port=secret", {}, "port must be a number"),
        ("port=1,2", {}, "port must be one number, or one for each host"),
        ("host=a,,b", {}, "host must not have an empty name"),
        ("sslrootcert=/secret", {}, "sslrootcert names a file that does not exist"),
        ("", {"PGSSLCERT": "/secret"}, "PGSSLCERT names a file that does not exist"),
        ("sslrootcert=system&sslmode=require", {}, "sslmode must be verify-full with"),
        ("sslnegotiation=direct", {}, "sslnegotiation=direct needs sslmode=require"),
        ("client_encoding=LATIN1", {}, "client_encoding must be UTF8"),
        ("sslmod=require", {}, "sslmod is not a parameter .* did you mean sslmode?"),
        ("SSLMODE=require", {}, "SSLMODE is not a parameter .* did you mean sslmode?"),
        ("pgbouncer=true", {}, "pgbouncer is not a parameter .* remove it"),
        ("sslmode=require&sslmode=disable", {}, "sslmode appears twice"),
        ("sslmode", {}, "name=value pairs"),
        ("application_name=%00", {}, "application_name"),
        ("application_name=%ff", {}, "application_name .*UTF-8"),
    ],
)
def test_parameters_that_the_driver_cannot_follow(
    parameters: str, variables: dict[str, str], reason: str
) -> None:
    """The error has the name and the reason, and no value."""
    with pytest.raises(ValueError, match=reason) as refused:
        read(f"{URL}?{parameters}", **variables)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql:user@host", "postgresql:/host", "postgresql://u:p4ss@p4ss@host/db"),
        *("postgresql://u:p4ss?p4ss@host/db", "postgresql://u:p4ss@host:p4ss/db"),
        *("postgresql://u:p4ss@host:1:p4ss/db", "postgresql://u:p4ss@::1/db"),
        *("postgresql://u:p4ss@host:0/db", "postgresql://u:p4ss@host:65536/db"),
    ],
)
def test_a_malformed_url_is_refused(url: str) -> None:
    """Without the parts of a password that is not percent-encoded."""
    with pytest.raises(ValueError, match=r"PostgreSQL URL|port") as refused:
        read(url)

    assert "p4ss" not in str(refused.value)


def test_a_preference_for_standbys_is_tried_first() -> None:
    """Each host has the whole timeout, so that one that does not respond is passed over."""
    attempts = read("postgresql://u@a,b/d?target_session_attrs=prefer-standby").attempts()

    assert [(each["host"], each["target_session_attrs"], each["timeout"]) for each in attempts] == [
        *(("a", "standby", 5), ("b", "standby", 5)),
        *(("a", "any", 5), ("b", "any", 5)),
    ]


def fetch_settings(url: sa.URL, hosts: str, parameters: str) -> tuple[Any, ...]:
    """Connect, and return the name of the application and a setting."""
    user = f"{url.username}:{url.password or ''}"

    async def fetch() -> tuple[Any, ...]:
        dsn = f"postgresql://{user}@{hosts}/{url.database}?{parameters}"
        async with Database(dsn) as database, database.connect() as connection:
            row = await connection.exec_driver_sql(
                "SELECT current_setting('application_name'), current_setting('work_mem')"
            )
            return tuple(row.one())

    return asyncio.run(fetch())


def test_a_real_server(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    """It is found behind a host that refuses, and gets the parameters of the session."""
    url = sa.make_url(postgresql.new_database(tmp_path))
    directory = url.query.get("host")
    server = str(directory or url.host)
    port = url.port or 5432
    parameters = "application_name=mine&options=-c%20work_mem%3D5MB&target_session_attrs=read-write"
    hosts = f"127.0.0.1:1,{server.replace('/', '%2F')}:{port}"

    assert fetch_settings(url, hosts, parameters) == ("mine", "5MB")
    with pytest.raises(Unavailable) as failed:
        fetch_settings(url, hosts, "target_session_attrs=standby")
    assert "target attribute" in describe_error(failed.value)
