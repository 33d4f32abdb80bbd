"""Prometheus metrics of this process. No label has a value that a client sends.

Where several processes serve, `PROMETHEUS_MULTIPROC_DIR` names a directory through which each of
them exposes the sums of all.
"""

import os
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from metrics_graphql import __version__
from metrics_graphql.settings import Settings
from metrics_graphql.telemetry.request_record import RequestRecord, Statement

REQUEST_BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STATEMENT_BUCKETS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.1, 0.25, 1, 2.5, 10),
)
METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable with the directory in which the metrics of several processes are merged."""


def check_directory(settings: Settings) -> None:
    """Check the directory of the metrics, if they are exposed and the environment names one.

    Raises:
        ValueError: naming the variable.
    """
    directory = os.environ.get(METRICS_DIRECTORY)
    if settings.prometheus and directory is not None:
        path = Path(directory)
        if not directory or not path.is_dir() or not os.access(path, os.W_OK):
            raise ValueError(f"{METRICS_DIRECTORY} must be a directory that can be written to")


class PrometheusMetrics:
    """The metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        GCCollector(self._registry)
        PlatformCollector(self._registry)
        ProcessCollector(registry=self._registry)
        self._requests = Histogram(
            "metrics_graphql_request_duration_seconds",
            "Duration of requests, by endpoint, class of status, and source of the data.",
            ["endpoint", "status", "data_source"],
            buckets=REQUEST_BUCKETS,
            registry=self._registry,
        )
        self._statements = Histogram(
            "metrics_graphql_db_query_duration_seconds",
            "Duration of SQL statements that read, failed ones included, as this process saw it.",
            ["engine"],
            buckets=STATEMENT_BUCKETS,
            registry=self._registry,
        )
        self._rejected = Counter(
            "metrics_graphql_rejected_requests",
            "Requests of which nothing ran, because of the rate limit or of overload.",
            ["reason"],
            registry=self._registry,
        )
        self._fast_path_failures = Counter(
            "metrics_graphql_fast_path_failures",
            "GraphQL fields that failed on the fast path because of a bug.",
            registry=self._registry,
        )
        self._newest_session: Gauge | None = None
        build = Gauge(
            "metrics_graphql_build_info",
            "The version of metrics-graphql.",
            ["version"],
            multiprocess_mode="mostrecent",
            registry=self._registry,
        )
        build.labels(__version__).set(1)
        for reason in ("rate_limit", "overload"):
            self._rejected.labels(reason)
        self._by_labels: dict[tuple[str, int, str], Histogram] = {}
        """The children of `_requests`: `labels` takes longer than `observe`."""

    def observe_request(self, record: RequestRecord) -> None:
        """Count a request that has ended."""
        key = record.endpoint, record.status // 100, record.data_source
        histogram = self._by_labels.get(key)
        if histogram is None:
            labels = record.endpoint, f"{record.status // 100}xx", record.data_source
            histogram = self._by_labels[key] = self._requests.labels(*labels)
        histogram.observe(record.seconds)
        if record.rejection:
            self._rejected.labels(record.rejection).inc()
        if record.fast_path_failures:
            self._fast_path_failures.inc(record.fast_path_failures)

    def observe_statement(self, statement: Statement) -> None:
        """Count a statement that has ended."""
        self._statements.labels(statement.engine).observe(statement.seconds)

    def set_newest_session(self, created_at: int) -> None:
        """Set the instant of the newest session, in Unix seconds. Until then, it is not exposed."""
        if self._newest_session is None:
            self._newest_session = Gauge(
                "metrics_graphql_newest_session_timestamp_seconds",
                "When the newest session of all organizations was created.",
                multiprocess_mode="mostrecent",
                registry=self._registry,
            )
        self._newest_session.set(created_at)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics, and their media type, in the format that `Accept` prefers."""
        registry = self._registry
        if os.environ.get(METRICS_DIRECTORY):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        encoder, media_type = choose_encoder(accept)
        return encoder(registry), media_type
