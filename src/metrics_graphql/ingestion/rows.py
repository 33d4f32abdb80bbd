"""What the parsers of all formats share: the rows that they yield, and their errors."""

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class UnreadableFile(Exception):
    """A file, or the rest of it, cannot be parsed. The message is the reason."""


class InvalidRow(Exception):
    """A row cannot be loaded. The message names the fields at fault."""


class ParsedRow(NamedTuple, Generic[T]):
    """A valid row."""

    location: str
    """Its position: `sessions.csv: line 7`, or `page.json: line 1: item 7`."""
    update: T


class RejectedRow(NamedTuple):
    """A row that cannot be loaded."""

    location: str
    """As `ParsedRow.location`."""
    reason: str


Row = ParsedRow[T] | RejectedRow
