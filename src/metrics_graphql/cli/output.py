"""Standard streams of the commands: lines, JSON documents, encodings, and closed pipes."""

import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Any, Final, TextIO

import typer

from metrics_graphql.core.identifiers import CONTROL_CHARACTER

STREAMS: Final = (
    # A read of a closed standard input fails, instead of returning nothing.
    ("stdin", "r", os.O_WRONLY),
    ("stdout", "w", os.O_WRONLY),
    ("stderr", "w", os.O_WRONLY),
)
"""Name, mode, and how the null device is opened for a stream that was closed, in order."""


def prepare_streams() -> tuple[TextIO, TextIO]:
    """Open closed streams, and escape characters that the encoding of a terminal does not have.

    Return standard output and standard error.
    """
    for name, mode, flags in STREAMS:
        if getattr(sys, name) is None:
            # The lowest free descriptor, which is that of the stream: no database file gets it.
            descriptor = os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - a positional-only parameter
            setattr(sys, name, os.fdopen(descriptor, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return sys.stdout, sys.stderr


def discard_unwritable(streams: Iterable[TextIO]) -> None:
    """Discard what cannot be written, which the end of the process would try to write again."""
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def one_line(text: object) -> str:
    """Return a text with its control characters escaped."""
    return CONTROL_CHARACTER.sub(lambda found: repr(found[0])[1:-1], str(text))


def json_instant(seconds: int | None) -> str | None:
    """Return Unix seconds as ISO 8601 in UTC; None for None."""
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def print_line(text: object) -> None:
    """Print a text to standard output."""
    # Without `file`, typer would write UTF-8 to an ASCII terminal.
    typer.echo(text, file=sys.stdout)


def print_message(text: object) -> None:
    """Print one line to standard error."""
    typer.echo(one_line(text), file=sys.stderr)


def print_error(message: object) -> None:
    """Print an error as one line to standard error."""
    print_message(f"metrics-graphql: {message}")


def print_json(document: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print a JSON document as one line to standard output."""
    print_line(json.dumps(document))
