"""Writes docs/settings.md from the docstrings of the settings."""

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
environment takes precedence. A command with an invalid setting prints its name and the reason, and
exits. `scripts/write-settings-page` generates this page from
[`settings.py`](../src/metrics_graphql/settings.py).

| variable | default | meaning |
|---|---|---|
"""
NOTES: Final = """
Time, rate and concurrency limits apply to each process.

`serve`, `demo`, `load` and `sync` create or upgrade a SQLite file. On a server, only
`metrics-graphql migrate` does: see [Upgrading](upgrading.md).
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
