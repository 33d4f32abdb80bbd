"""The environment, read in one place: `METRICS_*` variables and `.env`."""

from typing import Annotated, Literal

from limits import parse
from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt
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
            parse(value)
        except ValueError:
            raise ValueError("should look like 6000/minute") from None
    return value


Names = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""Several, separated by commas."""


class Settings(BaseSettings):
    """What an operator may decide. A variable wins over `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="METRICS_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    database_url: str = Field("sqlite:///metrics.db", repr=False)
    """The database of sessions and service users, as SQLAlchemy spells it."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged, to standard error."""

    timeout: PositiveFloat = 10
    """Seconds until a request must be answered; then its work in the database is stopped."""

    body_timeout: PositiveFloat = 10
    """Seconds until a request's body must have arrived."""

    max_concurrency: PositiveInt = 16
    """Requests that a process works on at once; two, while it is computing that keeps it busy."""

    max_queue: PositiveInt = 1_000
    """Requests that wait for their turn at most, for a second."""

    rate_limit: Annotated[str, AfterValidator(_rate)] = "6000/minute"
    """Requests of one service user to one process; nothing is no limit."""

    drain_seconds: float = Field(5, ge=0)
    """How long a process that is told to end (SIGTERM) goes on answering, while `/readyz` says that
    it ends."""

    cors_origins: Names = []
    """Origins whose pages may read answers, like `https://app.example.com`; separated by commas."""

    trusted_hosts: Names = ["*"]
    """Host names that requests may be sent to, like `*.example.com`; separated by commas."""

    suggestions: bool = True
    """Whether errors suggest names of the schema, to callers with a valid token."""

    max_tokens: PositiveInt = 2_000
    """Tokens of a GraphQL document."""

    max_fields: PositiveInt = 500
    """Fields of a GraphQL operation, fragments expanded."""

    max_aliases: PositiveInt = 100
    """Aliases of a GraphQL operation, fragments expanded."""

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
