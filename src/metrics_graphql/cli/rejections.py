"""Reports of rejected rows and unreadable files."""

import json
from collections.abc import Iterable
from typing import Final, TextIO

from metrics_graphql.cli.output import print_message
from metrics_graphql.ingestion.reader import FileError
from metrics_graphql.ingestion.rows import RejectedRow

MAX_PRINTED: Final = 10
"""Rejected rows that are printed."""


class RejectionPrinter:
    """Prints the first rejected rows to standard error, and writes all of them to a file.

    `hint` says where the rows that are not printed are.
    """

    def __init__(self, file: TextIO | None = None, hint: str = "") -> None:
        self._file = file
        self._hint = hint
        self.count = 0

    def __call__(self, row: RejectedRow) -> None:
        """Print or count a row."""
        self.count += 1
        if self.count <= MAX_PRINTED:
            print_message(f"{row.location}: {row.reason}")
        if self._file is not None:
            self._file.write(json.dumps({"location": row.location, "reason": row.reason}) + "\n")

    def print_rest(self) -> None:
        """Print the number of the rows that were not printed."""
        if (more := self.count - MAX_PRINTED) > 0:
            print_message(f"and {more:,} more{self._hint}")


def error_documents(errors: Iterable[FileError]) -> list[dict[str, str]]:
    """Return the JSON objects of the files that were not read to their end."""
    return [{"file": str(error.path), "reason": error.reason} for error in errors]
