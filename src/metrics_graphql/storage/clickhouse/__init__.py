"""Sessions in ClickHouse, for more of them than one machine holds. Its driver is an extra."""

from typing import TYPE_CHECKING

from metrics_graphql.telemetry.request_record import StatementObserver

if TYPE_CHECKING:
    from metrics_graphql.storage.clickhouse.client import ClickHouseClient


def open_client(
    url: str, on_statement: StatementObserver = lambda _statement: None
) -> "ClickHouseClient":
    """Return a client for a ClickHouse URL, without connecting.

    Raises:
        ValueError: the URL is not valid, or the driver is not installed.
    """
    try:
        from metrics_graphql.storage.clickhouse.client import ClickHouseClient  # noqa: PLC0415 - an extra
    except ImportError:
        raise ValueError(
            "ClickHouse needs its driver: pip install 'metrics-graphql[clickhouse]'"
        ) from None
    return ClickHouseClient(url, on_statement)
