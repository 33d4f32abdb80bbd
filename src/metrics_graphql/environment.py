"""Reads environment variables and `.env`, for settings, PostgreSQL and OpenTelemetry.

Variables of other libraries and of TLS, like `PROMETHEUS_MULTIPROC_DIR` and `SSL_CERT_FILE`, are
not read from `.env`. The modules that need them use `os.environ`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values


def read_environment() -> dict[str, str]:
    """Return the variables of the environment and of `.env`; the environment takes precedence.

    White space around a value is removed, such as the carriage returns of a file that was written
    on Windows. An empty variable counts as unset.

    Raises:
        ValueError: `.env` cannot be read.
    """
    try:
        # Some editors begin a file with a byte order mark.
        file = dotenv_values(Path(".env"), encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(".env must be UTF-8") from None
    except OSError as error:
        raise ValueError(f".env cannot be read: {error.strerror}") from None
    return strip_variables(file) | strip_variables(os.environ)


def strip_variables(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables that have a value, without white space around it."""
    stripped = ((name, (value or "").strip()) for name, value in variables.items())
    return {name: value for name, value in stripped if value}
