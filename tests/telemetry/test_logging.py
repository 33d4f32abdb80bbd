"""Log lines of errors."""

import json
import logging

import pytest

from metrics_graphql.telemetry.logging import LogFormat, formatter


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_contains_no_values_of_variables(log_format: LogFormat) -> None:
    """They could be anything that a client sent. The error's own message is logged."""
    secret = "confidential-text-of-a-caller"
    record = None
    try:
        int(f"not {len(secret)}")
    except ValueError as error:
        exc_info = (type(error), error, error.__traceback__)
        record = logging.LogRecord("metrics_graphql", 40, "f", 1, "Oh %s", ("no",), exc_info)
    assert record is not None
    line = formatter(log_format).format(record)

    assert secret not in line
    assert "Oh no" in line
    assert f"not {len(secret)}" in line
    assert log_format == "console" or json.loads(line)["level"] == "error"
