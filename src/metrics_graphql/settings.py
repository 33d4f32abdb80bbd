"""The environment, read in one place: `METRICS_*` variables and `.env`."""

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
            raise ValueError("should be one rate that looks like 6000/minute") from None
        if rate.amount < 1:
            raise ValueError("should allow a request; an empty rate allows all of them")
    return value


def _prefix(value: str) -> str:
    value = value.rstrip("/")
    if not re.fullmatch(r"(/[\w~-][\w.~-]*)*", value, re.ASCII):
        raise ValueError("should be a path that looks like /sessions")
    if value and value.split("/")[1] in OWN_PATHS:
        raise ValueError("should not begin as a path of the gateway's own does")
    return value


OWN_PATHS: Final = frozenset(
    {"assets", "graphql", "livez", "metrics", "openapi.json", "readyz", "v3"}
)
"""How paths of the gateway begin: a prefix that does, too, could not be told from them."""
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/*\s]+)$")]
Host = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9.-]+)$")]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What an operator may decide. A variable wins over `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="METRICS_",
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    database_url: str = Field("sqlite:///metrics.db", repr=False)
    """The database of sessions and service users: `sqlite:///FILE` or `postgresql://...`."""

    sessions_url: str = Field("", repr=False)
    """A ClickHouse that has the sessions, like `clickhousedb://user:password@host/db`; without one,
    they are in the database."""

    sync_token: SecretStr = SecretStr("")
    """The token by which `sync` pulls sessions from a v3 API."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged: `debug`, `info`, `warning` or `error`."""

    log_format: Literal["console", "json"] = "console"
    """Lines for people, or for what collects them."""

    slow_seconds: float = Field(1.0, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds from which on a request is logged with its SQL and the plan of it; 0 is never."""

    metrics: bool = False
    """Whether `/metrics` tells Prometheus what was counted, and whoever else may reach it."""

    otel: bool = False
    """Whether traces are sent with OpenTelemetry; its `OTEL_*` variables say where to."""

    timeout: Seconds = 10.0
    """Seconds until a request must be answered; then its work in the database is stopped."""

    body_timeout: Seconds = 10.0
    """Seconds until a request's body must have arrived."""

    max_concurrency: PositiveInt = 16
    """Requests that a process works on at once; fewer, while it is computing that keeps it busy."""

    max_queue: PositiveInt = 1_000
    """Requests that wait for their turn at most, each up to a second."""

    rate_limit: Annotated[str, AfterValidator(_rate)] = "6000/minute"
    """Requests of one service user to one process; empty for no limit."""

    drain_seconds: float = Field(5.0, ge=0, le=86_400, allow_inf_nan=False)
    """How long a process that is told to end (SIGTERM) goes on answering, while `/readyz` says that
    it ends."""

    keep_alive_seconds: int = Field(75, ge=1, le=86_400)
    """Seconds for which an idle connection stays open: more than a proxy keeps its own to us."""

    path_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    """The path below which a proxy shows the gateway, like `/sessions`; requests may come with it,
    or without."""

    cors_origins: Annotated[list[Origin], NoDecode, BeforeValidator(_split)] = []
    """Origins whose pages may read answers, like `https://app.example.com`; separated by commas."""

    trusted_hosts: Annotated[list[Host], NoDecode, BeforeValidator(_split), Field(min_length=1)] = [
        "*"
    ]
    """Host names that requests may be sent to, like `*.example.com`; separated by commas. Probes of
    `/livez` and `/readyz` may be sent to any."""

    suggestions: bool = True
    """Whether errors suggest names of the schema, to callers with a valid token."""

    trusted_documents: Path | None = None
    """A file of GraphQL documents by id, as graphql-codegen writes it (`persisted-documents.json`),
    which may be asked for by `documentId`."""

    trusted_documents_only: bool = False
    """Whether no other documents run."""

    freshness: float = Field(1.0, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds for which it is not asked again who a token's holder is, and whether an organization
    has new sessions; 0 asks each time."""

    cache_bytes: int = Field(16_000_000, ge=0)
    """Bytes of answers that a process keeps; 0 keeps none."""

    max_tokens: PositiveInt = 2_000
    """Tokens of a GraphQL document."""

    max_fields: PositiveInt = 500
    """Fields of a GraphQL operation, fragments expanded."""

    max_aliases: PositiveInt = 100
    """Aliases of a GraphQL operation, fragments expanded."""

    max_alias_length: PositiveInt = 100
    """Characters of an alias: a series repeats it with every row."""

    max_root_fields: PositiveInt = 20
    """Fields at the top of a GraphQL operation, fragments expanded."""

    max_depth: PositiveInt = 15
    """How deep the fields of a GraphQL operation are nested; introspection needs 15."""

    max_directives: PositiveInt = 50
    """Directives in a GraphQL operation, fragments expanded."""

    max_cost: PositiveInt = 30
    """SQL statements of a GraphQL operation, as its `@cost` adds up."""

    max_values: PositiveInt = 50_000
    """Fields in a GraphQL answer's rows: those of each series and breakdown, times its rows."""
