"""Settings: how they are read, and which are refused."""

import re
from pathlib import Path

import pytest

from metrics_graphql.settings import (
    VARIABLES,
    InvalidSettings,
    Settings,
    read_settings,
    unknown_variables,
)


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to an empty directory, without settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


VALUES = {
    "METRICS_DATABASE_URL": "sqlite:///t.db",
    "METRICS_SESSIONS_URL": "clickhousedb://host/db",
    "METRICS_SYNC_TOKEN": "cog_token",
    "METRICS_LOG_LEVEL": "warning",
    "METRICS_TIMEOUT": "2.5",
    "METRICS_MAX_QUEUE": "7",
    "METRICS_OTEL": "true",
    "METRICS_RATE_LIMIT": "5/second",
    "METRICS_PATH_PREFIX": "/sessions",
    "METRICS_CORS_ORIGINS": "https://a.example.com, https://b.example.com",
    "METRICS_TRUSTED_HOSTS": "*.example.com",
    "METRICS_TRUSTED_DOCUMENTS": "documents.json",
}


def configured(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Return the settings of some variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", " ", "\t"], ids=repr)
def test_white_space_around_a_value_is_removed(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Of every setting: a file for `docker --env-file` may have been written on Windows."""
    plain = configured(monkeypatch, **VALUES)
    padded = configured(monkeypatch, **{name: f" {each}{end}" for name, each in VALUES.items()})

    assert padded == plain
    assert padded.database_url == "sqlite:///t.db"
    assert padded.sync_token.get_secret_value() == "cog_token"
    assert str(padded.trusted_documents) == "documents.json"
    assert padded.cors_origins == ["https://a.example.com", "https://b.example.com"]


@pytest.mark.parametrize("empty", ["", " ", "\r"], ids=repr)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_an_empty_value_is_the_default(
    monkeypatch: pytest.MonkeyPatch, place: str, empty: str
) -> None:
    """Of every setting, in the environment and in `.env`."""
    if place == "file":
        Path(".env").write_text("".join(f"{name}={empty}\n" for name in VARIABLES))
    else:
        for name in VARIABLES:
            monkeypatch.setenv(name, empty)

    assert read_settings() == Settings()


def test_the_environment_takes_precedence_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the variable is empty; the file may have a byte order mark and carriage returns."""
    Path(".env").write_bytes(b"\xef\xbb\xbfMETRICS_TIMEOUT=3\r\nMETRICS_MAX_QUEUE=4\r\n")
    settings = configured(monkeypatch, METRICS_TIMEOUT="5", METRICS_MAX_QUEUE="")

    assert (settings.timeout, settings.max_queue) == (5.0, 4)


@pytest.mark.parametrize("value", ["none", "off", "None "])
def test_the_rate_limit_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Spelled out, because an empty value is the default."""
    assert configured(monkeypatch, METRICS_RATE_LIMIT=value).rate_limit == ""
    assert configured(monkeypatch, METRICS_RATE_LIMIT="").rate_limit == "6000/minute"


def test_a_file_with_a_url_of_clickhouse_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `none`, the database holds the sessions."""
    Path(".env").write_text("METRICS_SESSIONS_URL=clickhousedb://host/db\n")

    assert configured(monkeypatch).sessions_url == "clickhousedb://host/db"
    assert configured(monkeypatch, METRICS_SESSIONS_URL="none").sessions_url == ""


@pytest.mark.parametrize(
    ("value", "prefix"), [("/", ""), ("/sessions/", "/sessions"), ("/a/b.c", "/a/b.c")]
)
def test_a_trailing_slash_of_the_path_prefix_is_ignored(value: str, prefix: str) -> None:
    """The root is no prefix."""
    assert Settings(path_prefix=value).path_prefix == prefix


SECONDS = "a number of seconds above 0, at most 86400"
RATE = "one rate, like 6000/minute, or none"
PATH = "a path like /sessions that does not begin like one of the application's own"
HOSTS = "* or host names like *.example.com, comma-separated"
HEADERS = "* or names of request headers like X-Team, comma-separated"
ORIGINS = "* or origins like https://app.example.com, comma-separated"


@pytest.mark.parametrize(
    ("name", "value", "must_be"),
    [
        *(("TIMEOUT", each, SECONDS) for each in ("abc", "0", "-1", "inf", "nan", "86401", "10s")),
        ("CACHE_TTL", "-1", "a number of seconds from 0 to 86400"),
        ("KEEP_ALIVE_SECONDS", "1.5", "a whole number of seconds from 1 to 86400"),
        *(("MAX_QUEUE", each, "a whole number above 0") for each in ("0", "many", "9" * 5_000)),
        ("CACHE_BYTES", "-1", "a whole number of bytes, or 0"),
        ("OTEL", "perhaps", "true or false"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("LOG_FORMAT", "xml", "console or json"),
        *(("RATE_LIMIT", each, RATE) for each in ("often", "1000", "10/fortnight", "-1/minute")),
        *(("RATE_LIMIT", each, RATE) for each in ("0/minute", "5/second,100/minute")),
        *(("PATH_PREFIX", each, PATH) for each in ("sessions", "https://example.com/a", "/a//b")),
        *(("PATH_PREFIX", each, PATH) for each in ("//a", "/a b", "/../a", "/ä", "/a?b")),
        *(("PATH_PREFIX", each, PATH) for each in ("/graphql", "/v3/a")),
        *(("TRUSTED_HOSTS", each, HOSTS) for each in ("foo*bar", "app.example.com:443")),
        *(("CORS_ORIGINS", each, ORIGINS) for each in ("https://a.example.com/", "*.a.com")),
        *(("CORS_HEADERS", each, HEADERS) for each in ("X Team", "X-Team:", "X-Téam", "X-*")),
    ],
)
def test_an_invalid_value_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, must_be: str
) -> None:
    """In one line that has the variable, what it must be, and its beginning."""
    with pytest.raises(InvalidSettings) as refused:
        configured(monkeypatch, **{f"METRICS_{name}": value})

    assert str(refused.value) == f'METRICS_{name} must be {must_be}, not "{value[:60]}"'


def test_every_setting_with_constraints_has_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the value; only text and paths may be anything."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "\x01 no such value \x01")
    with pytest.raises(InvalidSettings) as refused:
        read_settings()
    named = set(re.findall("METRICS_[A-Z_]+", str(refused.value)))

    assert VARIABLES.keys() - named == {
        *("METRICS_DATABASE_URL", "METRICS_SESSIONS_URL", "METRICS_SYNC_TOKEN"),
        "METRICS_TRUSTED_DOCUMENTS",
    }
    assert "\n" not in str(refused.value)
    assert "Input should" not in str(refused.value)
    assert "Value error" not in str(refused.value)


def test_a_file_in_another_encoding_is_refused() -> None:
    """The error names the file, and the encoding that it must have."""
    Path(".env").write_bytes(b"METRICS_TIMEOUT=\xff")

    for read in (read_settings, unknown_variables):
        with pytest.raises(InvalidSettings, match=r"^\.env must be UTF-8"):
            read()


@pytest.mark.parametrize("place", ["environment", "file"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("METRICS_TIMOUT", "METRICS_TIMOUT is not a setting; did you mean METRICS_TIMEOUT?"),
        ("METRIC_TIMEOUT", "METRIC_TIMEOUT is not a setting; did you mean METRICS_TIMEOUT?"),
        ("METRICS_QQQ", "METRICS_QQQ is not a setting; see docs/settings.md"),
        ("METRICS_TIMEOUT", None),
        ("metrics_timeout", None),
        ("OTHER_TIMEOUT", None),
    ],
)
def test_a_name_that_is_no_setting_is_found(
    monkeypatch: pytest.MonkeyPatch, place: str, name: str, sentence: str | None
) -> None:
    """In the environment and in `.env`, with a similar name if there is one."""
    if place == "file":
        Path(".env").write_text(f"{name}=1\n")
    else:
        monkeypatch.setenv(name, "1")
    found = [each for each in unknown_variables() if each.upper().startswith(name.upper())]

    assert found == ([sentence] if sentence else [])
