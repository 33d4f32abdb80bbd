"""Prints the page of settings: what an operator may decide, and what happens if they do not."""

from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from metrics_graphql.settings import Settings

BEFORE: Final = """\
# Settings

From the environment, or from `.env` in the folder where a command is run; the environment wins. A
value that can't be taken ends the command with a sentence that names it. This page is made from
[`settings.py`](../src/metrics_graphql/settings.py) by `scripts/settings_page`.

| variable | default | meaning |
|---|---|---|
"""
AFTER: Final = """
Every command that opens the database creates the tables and brings them up to date first;
`metrics-graphql migrate` does that alone. Limits of time, rates and places are for each process.
"""


def page() -> str:
    """Return the page."""
    return BEFORE + "".join(rows()) + AFTER


def rows() -> Iterator[str]:
    """Yield a row for each setting."""
    for name, field in Settings.model_fields.items():
        default = shown(field)
        code = f" `{default}` " if default else " "
        meaning = " ".join((field.description or "").split())
        yield f"| `METRICS_{name.upper()}` |{code}| {meaning} |\n"


def shown(field: FieldInfo) -> str:
    """Return a default as the environment would have it."""
    default = field.default
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    if default is None:
        return ""
    return ",".join(default) if isinstance(default, list) else str(default)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - what it is for
