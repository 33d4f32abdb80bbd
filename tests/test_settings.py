"""Settings that cannot work are refused when they are read."""

from typing import Any

import pytest
from pydantic import ValidationError

from metrics_graphql.settings import Settings


@pytest.mark.parametrize(
    ("value", "prefix"), [("", ""), ("/", ""), ("/sessions/", "/sessions"), ("/a/b.c", "/a/b.c")]
)
def test_a_trailing_slash_of_the_path_prefix_is_ignored(value: str, prefix: str) -> None:
    """The root is no prefix."""
    assert Settings(path_prefix=value).path_prefix == prefix


@pytest.mark.parametrize(
    "value", ["sessions", "https://example.com/a", "/a//b", "//a", "/a b", "/../a", "/ä", "/a?b"]
)
def test_a_path_prefix_must_be_a_path(value: str) -> None:
    """Of plain segments."""
    with pytest.raises(ValidationError, match="should be a path"):
        Settings(path_prefix=value)


@pytest.mark.parametrize(
    "rate", ["often", "1000", "10/fortnight", "-1/minute", "0/minute", "5/second,100/minute"]
)
def test_a_rate_limit_must_be_one_rate(rate: str) -> None:
    """The error has an example."""
    with pytest.raises(ValueError, match=r"one rate like 6000/minute|should allow"):
        Settings(rate_limit=rate)


@pytest.mark.parametrize(
    "setting",
    [
        {"trusted_hosts": ""},
        {"trusted_hosts": "foo*bar"},
        {"trusted_hosts": "app.example.com:443"},
        {"cors_origins": "https://app.example.com/"},
        {"cors_origins": "*.example.com"},
        {"cors_headers": "X Team"},
        {"cors_headers": "X-Team:"},
        {"cors_headers": "X-Team, X-T\u00e9am"},
        {"cors_headers": "X-*"},
        {"timeout": float("inf")},
        {"timeout": 0},
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_refused(setting: dict[str, Any]) -> None:
    """The error names it."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        Settings(**setting)
