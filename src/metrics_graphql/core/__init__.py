"""The aggregation core: sessions, measures, queries, callers, `MetricsService`, and its errors.

Imports no other package of this project. What it needs from storage is a protocol, `Repository`.
"""
