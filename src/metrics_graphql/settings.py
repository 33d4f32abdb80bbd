"""The settings: `METRICS_*` variables, their defaults, checks and errors."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from metrics_graphql.environment import read_environment
from metrics_graphql.setting_types import (
    Count,
    Expected,
    Flag,
    HeaderNames,
    Hosts,
    OptionalUrl,
    Origins,
    PathPrefix,
    RateLimit,
    Seconds,
    SecondsOrZero,
)

PREFIX: Final = "METRICS_"
MAX_ECHO: Final = 60
"""Characters of a value that an error repeats."""


class InvalidSettings(ValueError):
    """Some settings cannot be used. The message names each of them."""


class Settings(BaseModel):
    """The settings, with their defaults. `read_settings` reads them."""

    model_config = ConfigDict(
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )

    database_url: str = Field("sqlite:///metrics.db", repr=False)
    """URL of the database: `sqlite:///FILE` or `postgresql://...`. The database stores the service
    users and the sessions."""

    sessions_url: OptionalUrl = Field("", repr=False)
    """URL of a ClickHouse database, like `clickhousedb://user:password@host/db`. If it is set,
    ClickHouse stores the sessions, and the database does not. `none` counts as unset."""

    sync_token: SecretStr = SecretStr("")
    """Token that `sync` sends to the v3 API."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Expected("debug, info, warning or error")
    ] = "info"
    """Lowest level that is logged: `debug`, `info`, `warning` or `error`."""

    log_format: Annotated[Literal["console", "json"], Expected("console or json")] = "console"
    """Format of log lines: `console` for people, `json` for log collectors."""

    slow_query_seconds: SecondsOrZero = 1.0
    """Requests that query the database and take at least this long are logged with their SQL and a
    query plan, at most one per second. 0 disables the slow query log."""

    prometheus: Flag = False
    """Expose Prometheus metrics at `/metrics`. The endpoint is not authenticated."""

    otel: Flag = False
    """Export traces with OpenTelemetry. The standard `OTEL_*` variables configure the export."""

    timeout: Seconds = 10.0
    """Deadline of a request, in seconds. At the deadline, the database cancels the SQL statements
    of the request."""

    body_timeout: Seconds = 10.0
    """Seconds within which the whole body of a request must arrive."""

    max_concurrency: Count = 16
    """Maximum number of requests that a process executes at once. Further requests wait in a queue,
    in the order of arrival."""

    max_queue: Count = 1_000
    """Maximum number of requests in the queue. Further requests get 503. A request also gets 503 if
    it would miss its deadline, or if it would wait for long during an overload."""

    rate_limit: RateLimit = "6000/minute"
    """Maximum number of requests of one service user to one process, like `6000/minute`. `none`
    disables the rate limit."""

    drain_seconds: SecondsOrZero = 5.0
    """Seconds for which a process continues to serve after SIGTERM. Meanwhile, `/readyz` responds
    503."""

    keep_alive_seconds: Annotated[
        int, Field(ge=1, le=86_400), Expected("a whole number of seconds from 1 to 86400")
    ] = 75
    """Seconds for which an idle connection stays open. The value must be larger than the idle
    timeout of a proxy in front of the server."""

    path_prefix: PathPrefix = ""
    """Path below which a proxy exposes the server, like `/sessions`. The proxy may strip the path
    from requests, or pass it on."""

    cors_origins: Origins = []
    """Origins whose pages may send requests and read responses, like `https://app.example.com`,
    comma-separated. `*` allows all."""

    cors_headers: HeaderNames = []
    """Further request headers that these pages may send, like `X-Team`, comma-separated. `*` allows
    all. The headers of GraphQL clients and of tracing are always allowed."""

    trusted_hosts: Hosts = ["*"]
    """Host names that requests may be sent to, like `*.example.com`, comma-separated. Requests for
    `/livez`, `/readyz` and `/metrics` may be sent to any host."""

    suggestions: Flag = True
    """Suggest names of the schema in error messages, to callers with a valid token."""

    trusted_documents: Path | None = None
    """JSON file that maps ids to GraphQL documents, like the `persisted-documents.json` of
    graphql-codegen. Clients send the id as `documentId`."""

    trusted_documents_only: Flag = False
    """Reject documents that are not in this file. The documents of the dashboard, and the examples
    in GraphiQL, are never rejected."""

    cache_ttl: SecondsOrZero = 1.0
    """Maximum staleness of a response, in seconds. A token is refused within the same time after
    its revocation. With 0, each request reads credentials and data versions from the database, and
    no response is replayed."""

    cache_bytes: Annotated[int, Field(ge=0), Expected("a whole number of bytes, or 0")] = 16_000_000
    """Size of the response cache of a process, in bytes. 0 disables the cache."""

    max_tokens: Count = 2_000
    """Maximum number of lexical tokens in a GraphQL document."""

    max_fields: Count = 500
    """Maximum number of fields in a GraphQL operation, with fragments expanded."""

    max_aliases: Count = 100
    """Maximum number of aliases in a GraphQL operation, with fragments expanded."""

    max_alias_length: Count = 100
    """Maximum number of characters in an alias. The response repeats the alias in every row of a
    time series."""

    max_root_fields: Count = 20
    """Maximum number of root fields in a GraphQL operation, with fragments expanded."""

    max_depth: Count = 15
    """Maximum nesting of the fields in a GraphQL operation. `ofType` of introspection does not
    count."""

    max_directives: Count = 50
    """Maximum number of directives in a GraphQL operation, with fragments expanded."""

    max_cost: Count = 30
    """Maximum sum of the `@cost` of all fields in a GraphQL operation. The sum is an upper bound of
    the number of SQL statements for the response."""

    max_response_fields: Count = 100_000
    """Maximum number of fields in the rows of a GraphQL response. A time series or a breakdown
    counts as its number of fields times its number of rows."""

    @property
    def cache_stage_ttl(self) -> float:
        """Seconds that each of two stages may add to the staleness of a response.

        Credentials and data versions are cached for that long, and a response that was validated
        by them is replayed for that long: together, `cache_ttl`.
        """
        return self.cache_ttl / 2


VARIABLES: Final = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
"""The name of each setting, by the name of its variable."""


def read_settings() -> Settings:
    """Return the settings of the environment and of `.env`.

    Raises:
        InvalidSettings: some cannot be read.
    """
    variables = {name.upper(): value for name, value in read_variables().items()}
    given: dict[str, Any] = {
        VARIABLES[name]: variables[name] for name in VARIABLES if name in variables
    }
    try:
        return Settings(**given)
    except ValidationError as error:
        # One message for each setting: several parts of a value may be invalid.
        problems = {problem["loc"][0]: describe(problem) for problem in reversed(error.errors())}
        raise InvalidSettings("; ".join(reversed(problems.values()))) from None


def read_variables() -> dict[str, str]:
    """Return the variables of the environment and of `.env`.

    Raises:
        InvalidSettings: `.env` cannot be read.
    """
    try:
        return read_environment()
    except ValueError as error:
        raise InvalidSettings(str(error)) from None


def describe(problem: Any) -> str:  # noqa: ANN401 - pydantic's dictionary
    """Return what a setting must be, and what it is. Secrets are never shown: all are valid."""
    name, value = str(problem["loc"][0]), problem["input"]
    (expected,) = (
        each for each in Settings.model_fields[name].metadata if isinstance(each, Expected)
    )
    text = value if isinstance(value, str) else ",".join(value)
    shown = json.dumps(text[:MAX_ECHO], ensure_ascii=False)
    return f"{PREFIX}{name.upper()} must be {expected.description}, not {shown}"


def unknown_variables() -> list[str]:
    """Return a sentence about each variable that may be a misspelled setting.

    Raises:
        InvalidSettings: `.env` cannot be read.
    """
    names = sorted({name.upper() for name in read_variables()} - VARIABLES.keys())
    sentences = []
    for name in names:
        is_prefixed = name.startswith(PREFIX)
        known = {each.removeprefix(PREFIX) if is_prefixed else each: each for each in VARIABLES}
        # Other programs have variables, too: one without the prefix must be very similar.
        cutoff = 0.6 if is_prefixed else 0.9
        similar = get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=cutoff)
        if similar:
            sentences.append(f"{name} is not a setting; did you mean {known[similar[0]]}?")
        elif is_prefixed:
            sentences.append(f"{name} is not a setting; see docs/settings.md")
    return sentences
