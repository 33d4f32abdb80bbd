"""Metrics of AI-agent sessions over GraphQL and REST, from one aggregation core."""

__version__ = "0.1.0"
