"""What is observed of requests: logs, Prometheus metrics, traces, and the slow query log."""
