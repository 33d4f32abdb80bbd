"""Reads a SQLite file where it is asked, without a thread: only what is read at once."""

import os
import sqlite3
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

STEPS: Final = 5_000
"""Instructions of SQLite's virtual machine between two looks at how many it were."""
MAX_LOOKS: Final = 12
"""Looks after which a statement is given up: some third of a millisecond, less than what it then
takes in a thread, so trying costs it less than its time again."""


class InlineReader:
    """A connection whose statements are short, or given up.

    Handing a statement to a thread, and its rows back, takes longer than most statements do. The
    event loop can't wait for the others, so they have a budget of instructions, and no patience
    for locks.
    """

    def __init__(self, path: str) -> None:
        """Open a file that exists.

        Raises:
            OSError: there is none.
            sqlite3.Error: it can't be opened.
        """
        self._path = path
        self._file = identity(path)
        self._connection = sqlite3.connect(
            f"file:{quote(path)}?mode=rw", uri=True, timeout=0, isolation_level=None
        )
        self._connection.execute("PRAGMA query_only=ON")
        self._looks = 0
        self._connection.set_progress_handler(self._is_over_budget, STEPS)

    def fetch(self, sql: str, values: Sequence[Any]) -> list[Sequence[Any]] | None:
        """Return the rows of a statement; None if it is to be asked in a thread.

        That is also where an error is found out again, and said.
        """
        self._looks = 0
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error:
            return None

    def is_current(self) -> bool:
        """Return whether the file is still the one that was opened."""
        try:
            return identity(self._path) == self._file
        except OSError:
            return False

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _is_over_budget(self) -> bool:
        self._looks += 1
        return self._looks > MAX_LOOKS


def identity(path: str) -> tuple[int, int]:
    """Return what tells a file from another that took its place.

    Raises:
        OSError: there is none.
    """
    found = os.stat(path)  # noqa: PTH116 - a tenth of the time of pathlib's
    return found.st_dev, found.st_ino
