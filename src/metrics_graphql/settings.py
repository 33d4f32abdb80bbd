"""The environment, read in one place: `METRICS_*` variables and `.env`."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may decide. A variable wins over `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="METRICS_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    database_url: str = Field("sqlite:///metrics.db", repr=False)
    """The database of sessions and service users, as SQLAlchemy spells it."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged, to standard error."""
