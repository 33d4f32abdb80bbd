"""Writes docs/settings.md from the docstrings of the settings."""
# ruff: noqa: E501 - the rows of its tables are long lines

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from metrics_graphql.settings import Settings

FILE: Final = Path(__file__).parents[1] / "docs" / "settings.md"
INTRODUCTION: Final = """\
# Settings

A setting is a variable of the environment, or a line in the file `.env` in the working directory. If the
environment and `.env` have the same variable, the environment takes precedence. White space around a value is
removed. An empty variable counts as unset: the line in `.env` applies, or else the default.

If a value is invalid, every command that reads settings exits with status 1. The error is one line. It names
the setting and describes the valid values. A variable that is probably a misspelled setting, such as every
unknown `METRICS_*` variable, causes a warning.

[`settings.py`](../src/metrics_graphql/settings.py) defines the settings. `scripts/write-settings-page` generates
this page from it.

| variable | default | meaning |
|---|---|---|
"""
NOTES: Final = """
Limits of time, rate and concurrency apply [to each process](operating.md#workers).
[Decision 4](decisions/0004-admission-control-and-load-shedding.md) defines an overload.

[Upgrading](upgrading.md#which-commands-create-and-upgrade-tables) lists the commands that create and upgrade the
tables of a database.

## URLs

| URL | database |
|---|---|
| `sqlite:///metrics.db` | A SQLite file in the working directory. The URL has no parameters, and the path is not percent-encoded |
| `sqlite:////var/lib/metrics/metrics.db` | A SQLite file by its absolute path |
| `postgresql://user:password@host:5432/database?sslmode=require` | PostgreSQL: see [below](#postgresql) |
| `clickhousedb://user:password@host:8443/database?secure=true` | ClickHouse, over HTTP. A parameter that begins with `ch_` is a setting of the ClickHouse server, like `ch_max_threads=4` |

A parameter with an unknown name is an error. In the user name and the password of a URL, write `@` as `%40`, `:`
as `%3A`, `/` as `%2F`, `?` as `%3F` and `%` as `%25`.

## PostgreSQL

The parameters of the URL and the `PG*` variables have the same meaning as in libpq. The URL takes precedence over
a service (`service=NAME` or `PGSERVICE`), and a service over a `PG*` variable. The variables may be in the
environment or in `.env`.

| parameters | meaning |
|---|---|
| `host`, `port` | One host, or several hosts, which are tried in order: `@one:5432,two:5433/` or `?host=one,two`. A host that begins with a slash is the directory of a Unix socket |
| `user`, `password`, `passfile`, `dbname` | The credentials and the database. The default user is the user of the operating system, and the default database has the name of the user |
| `target_session_attrs`, `load_balance_hosts` | Which of several hosts to use |
| `connect_timeout` | Seconds for each host, by default 5. 0 disables the timeout |
| `sslmode`, `sslnegotiation`, `sslrootcert`, `sslcert`, `sslkey`, `sslpassword`, `sslcrl`, `ssl_min_protocol_version`, `ssl_max_protocol_version` | TLS. `sslrootcert=system` verifies the server by the certificates of the operating system |
| `application_name`, `fallback_application_name`, `options`, `client_encoding`; `PGTZ`, `PGDATESTYLE`, `PGGEQO` | Settings of the session. metrics-graphql sets `jit`, `plan_cache_mode` and `lock_timeout` itself, and its values take precedence: see [decision 7](decisions/0007-postgresql.md) |
| `krbsrvname`, `gsslib` | Kerberos |
| `service`, `servicefile` | A service, which is a section with parameters in a file, and the path of this file |

The driver lacks the other parameters of libpq, such as `channel_binding` and `keepalives_idle`. Setting one
of them is an error that contains the reason. A value that changes nothing is accepted, such as
`channel_binding=prefer` and `gssencmode=disable`.

Next: [Upgrading](upgrading.md)
"""


def page() -> str:
    """Return the page."""
    return INTRODUCTION + "".join(rows()) + NOTES


def rows() -> Iterator[str]:
    """Yield the row of each setting."""
    for name, field in Settings.model_fields.items():
        default = environment_value(field)
        code = f" `{default}` " if default else " "
        meaning = " ".join((field.description or "").split())
        yield f"| `METRICS_{name.upper()}` |{code}| {meaning} |\n"


def environment_value(field: FieldInfo) -> str:
    """Return the default of a setting as an environment variable would have it."""
    default = field.default
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    if default is None:
        return ""
    return ",".join(default) if isinstance(default, list) else str(default)


if __name__ == "__main__":
    FILE.write_text(page())
