"""Settings: `METRICS_*` environment variables and `.env`, read in one place."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from limits import parse_many
from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


def _rate(value: str) -> str:
    if value:
        try:
            (rate,) = parse_many(value)
        except ValueError:
            raise ValueError("should be one rate like 6000/minute") from None
        if rate.amount < 1:
            raise ValueError("should allow at least one request; empty means no limit")
    return value


def _prefix(value: str) -> str:
    value = value.rstrip("/")
    if not re.fullmatch(r"(/[\w~-][\w.~-]*)*", value, re.ASCII):
        raise ValueError("should be a path like /sessions")
    if value and value.split("/")[1] in RESERVED_PATHS:
        raise ValueError("should not start like a path of the application itself")
    return value


RESERVED_PATHS: Final = frozenset(
    {"assets", "graphql", "livez", "metrics", "openapi.json", "readyz", "v3"}
)
"""First segments of the application's own paths. A prefix must differ from them."""
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/*\s]+)$")]
Host = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9.-]+)$")]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Settings(BaseSettings):
    """The settings. An environment variable takes precedence over `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="METRICS_",
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    database_url: str = Field("sqlite:///metrics.db", repr=False)
    """Database of sessions and service users: `sqlite:///FILE` or `postgresql://...`."""

    sessions_url: str = Field("", repr=False)
    """ClickHouse that holds the sessions, like `clickhousedb://user:password@host/db`. Empty: the
    database holds them."""

    sync_token: SecretStr = SecretStr("")
    """Token that `sync` sends to the v3 API."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged: `debug`, `info`, `warning` or `error`."""

    log_format: Literal["console", "json"] = "console"
    """Format of log lines: `console` for people, `json` for log collectors."""

    slow_query_seconds: float = Field(1.0, ge=0, le=86_400, allow_inf_nan=False)
    """Requests that take at least this long are logged with their SQL and its query plan. 0
    disables the slow query log."""

    prometheus: bool = False
    """Expose Prometheus metrics at `/metrics`. The endpoint is not authenticated."""

    otel: bool = False
    """Export traces with OpenTelemetry. Its own `OTEL_*` variables configure the export."""

    timeout: Seconds = 10.0
    """Deadline of a request, in seconds. Its SQL statements are cancelled then."""

    body_timeout: Seconds = 10.0
    """Seconds within which the body of a request must arrive."""

    max_concurrency: PositiveInt = 16
    """Requests that a process executes at once. Further ones wait, in the order of arrival."""

    max_queue: PositiveInt = 1_000
    """Requests that wait at once. Further ones are refused; so are some of those that wait, while
    more than 200 wait and the server cannot keep up."""

    rate_limit: Annotated[str, AfterValidator(_rate)] = "6000/minute"
    """Requests of one service user to one process, like `6000/minute`. Empty: no limit."""

    drain_seconds: float = Field(5.0, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds for which a process still accepts requests after SIGTERM. Meanwhile `/readyz`
    responds 503."""

    keep_alive_seconds: int = Field(75, ge=1, le=86_400)
    """Seconds for which an idle connection stays open: more than a proxy in front keeps its own."""

    path_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    """Path below which a proxy exposes the application, like `/sessions`. The proxy may strip it or
    pass it on."""

    cors_origins: Annotated[list[Origin], NoDecode, BeforeValidator(_split)] = []
    """Origins whose pages may read responses, like `https://app.example.com`, comma-separated."""

    trusted_hosts: Annotated[list[Host], NoDecode, BeforeValidator(_split), Field(min_length=1)] = [
        "*"
    ]
    """Host names that requests may be sent to, like `*.example.com`, comma-separated. Requests of
    `/livez`, `/readyz` and `/metrics` may be sent to any host."""

    suggestions: bool = True
    """Suggest names of the schema in errors, to callers with a valid token."""

    trusted_documents: Path | None = None
    """File of GraphQL documents by id, as graphql-codegen writes it (`persisted-documents.json`),
    which clients request by `documentId`."""

    trusted_documents_only: bool = False
    """Reject documents that are not in the trusted file."""

    cache_ttl: float = Field(1.0, ge=0, le=86_400, allow_inf_nan=False)
    """Maximum staleness of a response, in seconds. With 0, credentials and data versions are read
    for each request, and nothing is replayed."""

    cache_bytes: int = Field(16_000_000, ge=0)
    """Size of the response cache of a process, in bytes. 0 disables it."""

    max_tokens: PositiveInt = 2_000
    """Lexical tokens of a GraphQL document."""

    max_fields: PositiveInt = 500
    """Fields of a GraphQL operation, fragments expanded."""

    max_aliases: PositiveInt = 100
    """Aliases of a GraphQL operation, fragments expanded."""

    max_alias_length: PositiveInt = 100
    """Characters of an alias, which a series repeats in every row."""

    max_root_fields: PositiveInt = 20
    """Root fields of a GraphQL operation, fragments expanded."""

    max_depth: PositiveInt = 15
    """Nesting of the fields of a GraphQL operation. Introspection needs 15."""

    max_directives: PositiveInt = 50
    """Directives of a GraphQL operation, fragments expanded."""

    max_cost: PositiveInt = 30
    """Total `@cost` of a GraphQL operation: an upper bound of the SQL statements that compute its
    response."""

    max_response_fields: PositiveInt = 50_000
    """Fields in the rows of a GraphQL response: those of each series and breakdown, times its
    rows."""

    @property
    def cache_stage_ttl(self) -> float:
        """Seconds that each of two stages may add to the staleness of a response.

        Credentials and data versions are cached for that long, and a response that was validated
        by them is replayed for that long: together, `cache_ttl`.
        """
        return self.cache_ttl / 2
