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

Settings are environment variables. A file `.env` in the working directory may have some, too; the
environment takes precedence. White space around a value is removed, and an empty value counts as
unset. `scripts/write-settings-page` generates this page from
[`settings.py`](../src/metrics_graphql/settings.py).

A setting that cannot be used ends any command with status 1 and one line, which names it and what it
must be. A variable that is named like a setting, and is none, is a warning.

| variable | default | meaning |
|---|---|---|
"""
NOTES: Final = """
Time, rate and concurrency limits apply to each process.

`serve`, `demo`, `load` and `sync` create or upgrade a SQLite file. On a server, only
`metrics-graphql migrate` does: see [Upgrading](upgrading.md).

## URLs

| URL | database |
|---|---|
| `sqlite:///metrics.db` | A SQLite file in the working directory |
| `sqlite:////var/lib/metrics/metrics.db` | A SQLite file by its absolute path, which is not percent-encoded. There are no parameters |
| `postgresql://user:password@host:5432/database?sslmode=require` | PostgreSQL: see [below](#postgresql) |
| `clickhousedb://user:password@host:8443/database?secure=true` | ClickHouse, over HTTP. A parameter that begins with `ch_` is a setting of the server, like `ch_max_threads=4` |

A parameter with an unknown name is an error. In a user name or a password, write `@` as `%40`, `:` as
`%3A`, `/` as `%2F`, `?` as `%3F` and `%` as `%25`.

## PostgreSQL

The URL and the `PG*` variables mean what they mean to libpq. What the URL leaves out, a service
(`service=NAME`, `PGSERVICE`) or a variable provides, in the environment or in `.env`.

| parameters | meaning |
|---|---|
| `host`, `port` | Also several, tried in order: `@one:5432,two:5433/` or `?host=one,two`. A host that begins with a slash is the directory of a Unix socket |
| `user`, `password`, `passfile`, `dbname` | |
| `target_session_attrs`, `load_balance_hosts` | Which of several hosts to use |
| `connect_timeout` | Seconds for each host, by default 5; 0: no limit |
| `sslmode`, `sslnegotiation`, `sslrootcert`, `sslcert`, `sslkey`, `sslpassword`, `sslcrl`, `ssl_min_protocol_version`, `ssl_max_protocol_version` | `sslrootcert=system` verifies the server by the certificates of the operating system |
| `application_name`, `fallback_application_name`, `options`, `client_encoding`; `PGTZ`, `PGDATESTYLE`, `PGGEQO` | Settings of the session. The planner settings and the lock timeout of metrics-graphql take precedence |
| `krbsrvname`, `gsslib` | Kerberos |
| `service`, `servicefile` | |

The driver does not have libpq's other parameters. One of them is an error with the reason, such as
`channel_binding=require` and `keepalives_idle=60`, unless its value asks for what the driver does anyway,
such as `channel_binding=prefer` and `gssencmode=disable`.
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
