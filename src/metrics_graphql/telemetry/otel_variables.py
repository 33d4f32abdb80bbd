"""OpenTelemetry's `OTEL_*` variables: those of `.env` too, and checked before the SDK reads them.

The SDK logs most values that it cannot use, some with a traceback, and continues with others.
"""

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from metrics_graphql.environment import read_environment

PREFIX: Final = "OTEL_"


class Rule(NamedTuple):
    """A pattern of valid values, and its description."""

    pattern: str
    must_be: str


ABOVE_ZERO: Final = Rule("[0-9]*[1-9][0-9]*", "a whole number above 0")
LIMIT: Final = Rule("[0-9]+", "a whole number")
SECONDS: Final = Rule(r"(?=.*[1-9])[0-9]*\.?[0-9]*", "a number of seconds above 0")
COMPRESSION: Final = Rule("(?i:none|gzip|deflate)", "none, gzip or deflate")
ENDPOINT: Final = Rule(r"https?://[^\s/]\S*", "a URL like http://localhost:4318")
PROTOCOL: Final = Rule("http/protobuf", "http/protobuf: traces are exported over HTTP")
PAIRS: Final = Rule(
    r"\s*[^=,\s]+\s*=[^,]*(,\s*[^=,\s]+\s*=[^,]*)*,?", "name=value pairs, joined with commas"
)
SAMPLERS: Final = "always_on|always_off|traceidratio"
RULES: Final[Mapping[str, Rule]] = {
    "OTEL_SDK_DISABLED": Rule("(?i:true|false)", "true or false"),
    "OTEL_TRACES_EXPORTER": Rule("otlp", "otlp; METRICS_OTEL=false disables the export"),
    "OTEL_TRACES_SAMPLER": Rule(
        f"(?i:(parentbased_)?({SAMPLERS}))",
        f"one of {SAMPLERS.replace('|', ', ')}, with or without parentbased_",
    ),
    "OTEL_TRACES_SAMPLER_ARG": Rule(r"0?\.[0-9]+|[01](\.0*)?", "a number from 0 to 1"),
    "OTEL_RESOURCE_ATTRIBUTES": PAIRS,
    **dict.fromkeys(
        (
            "OTEL_BSP_SCHEDULE_DELAY",
            "OTEL_BSP_EXPORT_TIMEOUT",
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        ),
        ABOVE_ZERO,
    ),
    **dict.fromkeys(
        (
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            "OTEL_SPAN_LINK_COUNT_LIMIT",
        ),
        LIMIT,
    ),
    **{
        f"OTEL_EXPORTER_OTLP_{signal}{name}": rule
        for signal in ("", "TRACES_")
        for name, rule in {
            "COMPRESSION": COMPRESSION,
            "ENDPOINT": ENDPOINT,
            "HEADERS": PAIRS,
            "PROTOCOL": PROTOCOL,
            "TIMEOUT": SECONDS,
        }.items()
    },
}
FILES: Final = tuple(
    f"OTEL_EXPORTER_OTLP_{signal}{name}"
    for signal in ("", "TRACES_")
    for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
)
DEFAULT_QUEUE_SIZE: Final = 2_048
DEFAULT_BATCH_SIZE: Final = 512


def check_variables() -> None:
    """Check the variables that configure the export of traces.

    Raises:
        ValueError: naming one that cannot be used, without its value.
    """
    variables = read_environment()
    for name, rule in RULES.items():
        if not re.fullmatch(rule.pattern, variables.get(name, "")) and name in variables:
            raise ValueError(f"{name} must be {rule.must_be}")
    for name in FILES:
        if name in variables and not Path(variables[name]).is_file():
            raise ValueError(f"{name} names a file that does not exist")
    batch = int(variables.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", DEFAULT_BATCH_SIZE))
    if batch > int(variables.get("OTEL_BSP_MAX_QUEUE_SIZE", DEFAULT_QUEUE_SIZE)):
        raise ValueError(
            f"OTEL_BSP_MAX_EXPORT_BATCH_SIZE, which is {batch}, must be at most"
            " OTEL_BSP_MAX_QUEUE_SIZE"
        )


@contextmanager
def exported_variables() -> Generator[None]:
    """Put the variables of `.env` into the environment, where the SDK reads them, for a block.

    Not for longer: processes that start later read `.env` again.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    variables = {
        name: value for name, value in read_environment().items() if name.startswith(PREFIX)
    }
    replace_variables(variables)
    try:
        yield
    finally:
        replace_variables(before)


def replace_variables(variables: Mapping[str, str]) -> None:
    """Make these the only variables of OpenTelemetry."""
    for name in [each for each in os.environ if each.startswith(PREFIX)]:
        if name not in variables:
            del os.environ[name]
    os.environ.update(variables)
