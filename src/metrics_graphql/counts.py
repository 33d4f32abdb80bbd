"""What is counted in this process for Prometheus; knows no values of clients, which have no bound.

Where several processes serve, `PROMETHEUS_MULTIPROC_DIR` names a folder by which any of them tells
the sums of all.
"""

import os
from typing import Final

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from metrics_graphql import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS: Final = Histogram(
    "metrics_graphql_request_seconds",
    "Requests: by door, class of status, and where the rows of their answers came from.",
    ["door", "status", "rows"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STATEMENTS: Final = Histogram(
    "metrics_graphql_statement_seconds",
    "SQL statements that read, those that failed too: the database's time as this process saw it.",
    ["engine"],
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10),
)
REFUSED: Final = Counter(
    "metrics_graphql_refused",
    "Requests of which nothing ran: their caller asked too often (rate), or there was too much to"
    " do (busy).",
    ["reason"],
)
NEWEST_SESSION: Final = Gauge(
    "metrics_graphql_newest_session_timestamp_seconds",
    "When the newest session of all organizations was created.",
    multiprocess_mode="mostrecent",
)
BUILD: Final = Gauge(
    "metrics_graphql_build_info",
    "What this is.",
    ["version"],
    multiprocess_mode="mostrecent",
)
BUILD.labels(__version__).set(1)
for reason in ("rate", "busy"):
    REFUSED.labels(reason)


def written(accept: str) -> tuple[bytes, str]:
    """Return all that was counted, and the media type in which it is written."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    encoder, media_type = choose_encoder(accept)
    return encoder(registry), media_type
