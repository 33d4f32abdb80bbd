"""URLs of ClickHouse are checked before anything connects."""

import pytest

from metrics_graphql.storage.clickhouse.url import parse_url

URL = "clickhousedb://user:s3cret@host/db"


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "?secure=true&verify=false",
        "?connect_timeout=3",
        "?ch_max_threads=4",
        "?ca_cert=certifi",
    ],
)
def test_parameters_of_the_driver_and_of_the_server(parameters: str) -> None:
    """Those of the server have a prefix."""
    assert parse_url(URL + parameters).host == "host"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://user:s3cret@host", "not a ClickHouse URL"),
        ("clickhousedb:host", "not a ClickHouse URL"),
        ("clickhousedb://user:s3cret@host:port/db", "not a ClickHouse URL"),
        (f"{URL}\r", "not a ClickHouse URL"),
        (f"{URL}?secur=s3cret", r"secur is not a parameter .* did you mean secure\?"),
        (f"{URL}?max_threads=4", "max_threads is not a parameter .* ch_NAME"),
        (f"{URL}?secure=1", "secure .* must be one of true, false"),
        (f"{URL}?verify=flase", "verify .* must be one of true, false, proxy"),
        (f"{URL}?connect_timeout=s3cret", "connect_timeout .* must be a whole number"),
        (f"{URL}?ca_cert=/s3cret", "ca_cert .* names a file that does not exist"),
        (f"{URL}?secure=true&secure=false", "secure appears twice"),
        (f"{URL}?path=/data", "path .* needs interface=chdb"),
        ("clickhousedb:///db?interface=chdb", "needs a path"),
    ],
)
def test_an_invalid_url_is_refused(url: str, reason: str) -> None:
    """Also one with parameters that the driver would ignore; the error has no values."""
    with pytest.raises(ValueError, match=reason) as refused:
        parse_url(url)

    assert "s3cret" not in str(refused.value)
