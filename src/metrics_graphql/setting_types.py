"""The types of settings: their checks, and the valid values for errors."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from limits import parse_many
from pydantic import AfterValidator, BeforeValidator, Field

RESERVED_PATHS: Final = frozenset(
    {"assets", "graphql", "livez", "metrics", "openapi.json", "readyz", "v3"}
)
"""First segments of the application's own paths. A prefix must differ from them."""


@dataclass(frozen=True)
class Expected:
    """The valid values of a setting, as its error describes them."""

    description: str


def split(value: object) -> object:
    """Return the parts of a comma-separated value."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def rate_limit(value: str) -> str:
    """Check a rate; return an empty text for `none` and `off`."""
    if value.lower() in {"", "none", "off"}:
        return ""
    (rate,) = parse_many(value)
    if rate.amount < 1:
        raise ValueError(value)
    return value


def empty_if_none(value: str) -> str:
    """Return a URL, or an empty text for `none`."""
    return "" if value.lower() == "none" else value


def path_prefix(value: str) -> str:
    """Check a path; return it without a slash at its end."""
    value = value.rstrip("/")
    if not re.fullmatch(r"(/[\w~-][\w.~-]*)*", value, re.ASCII):
        raise ValueError(value)
    if value and value.split("/")[1] in RESERVED_PATHS:
        raise ValueError(value)
    return value


OptionalUrl = Annotated[str, AfterValidator(empty_if_none)]
Flag = Annotated[bool, Expected("true or false")]
Count = Annotated[int, Field(ge=1), Expected("a whole number above 0")]
Seconds = Annotated[
    float,
    Field(gt=0, le=86_400, allow_inf_nan=False),
    Expected("a number of seconds above 0, at most 86400"),
]
SecondsOrZero = Annotated[
    float,
    Field(ge=0, le=86_400, allow_inf_nan=False),
    Expected("a number of seconds from 0 to 86400"),
]
RateLimit = Annotated[
    str, AfterValidator(rate_limit), Expected("one rate, like 6000/minute, or none")
]
PathPrefix = Annotated[
    str,
    AfterValidator(path_prefix),
    Expected("a path like /sessions that does not begin like one of the application's own"),
]
Origins = Annotated[
    list[Annotated[str, Field(pattern=r"^(\*|https?://[^/*\s]+)$")]],
    BeforeValidator(split),
    Expected("* or origins like https://app.example.com, comma-separated"),
]
HeaderNames = Annotated[
    list[Annotated[str, Field(pattern=r"^(\*|[0-9A-Za-z!#$%&'+.^_`|~-]+)$")]],
    BeforeValidator(split),
    Expected("* or names of request headers like X-Team, comma-separated"),
]
Hosts = Annotated[
    list[Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9.-]+)$")]],
    BeforeValidator(split),
    Field(min_length=1),
    Expected("* or host names like *.example.com, comma-separated"),
]
