"""Opens files and reads their rows as one stream."""

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Generic, TypeVar

from metrics_graphql.ingestion.csv_format import parse_csv
from metrics_graphql.ingestion.encoding import read_lines
from metrics_graphql.ingestion.json_format import parse_json
from metrics_graphql.ingestion.row_parser import RowParser
from metrics_graphql.ingestion.rows import ParsedRow, Row, UnreadableFile

T = TypeVar("T")

STDIN: Final = Path("-")


@dataclass(frozen=True, slots=True)
class FileError:
    """A file that was not read to its end."""

    path: Path
    reason: str
    rows: int
    """Valid rows before the error."""


class FileReader(Generic[T]):
    """Iterates over the rows of several files, in order. The path `-` is standard input.

    A file that cannot be read, or not to its end, is added to `errors`, and the next one is read.
    """

    def __init__(self, paths: Sequence[Path], parser: RowParser[T]) -> None:
        self._paths = paths
        self._parser = parser
        self._stream: io.BufferedReader | None = None
        self._sizes = {path: file_size(path) for path in paths}
        self._bytes_before = 0
        """Bytes of the files before the current one."""
        self.total_bytes = None if STDIN in paths else sum(self._sizes[each] for each in paths)
        """Bytes of all files, as stored (compressed or not); None with standard input."""
        self.errors: list[FileError] = []

    @property
    def bytes_read(self) -> int:
        """Bytes read so far, of `total_bytes`. Another thread may be reading."""
        stream = self._stream
        with suppress(ValueError):  # closed
            if stream is not None and stream.seekable():
                return self._bytes_before + stream.tell()
        return self._bytes_before

    def __iter__(self) -> Iterator[Row[T]]:
        """Yield each row; its location begins with the path of its file."""
        for path in self._paths:
            rows = 0
            source = 0 if path == STDIN else path
            try:
                with open(source, "rb", closefd=source != 0) as self._stream:
                    for row in parse_file(self._stream, self._parser, f"{path}: "):
                        rows += isinstance(row, ParsedRow)
                        yield row
            except UnreadableFile as error:
                self.errors.append(FileError(path, str(error), rows))
            except OSError as error:
                self.errors.append(FileError(path, describe_os_error(error), rows))
            self._bytes_before += self._sizes[path]


def parse_file(
    stream: io.BufferedReader, parser: RowParser[T], prefix: str = ""
) -> Iterator[Row[T]]:
    """Yield the rows of a file in order. Each location begins with `prefix`.

    The first line that is not blank shows whether the file is JSON or CSV.

    Raises:
        UnreadableFile: the file is in none of the formats, or the rest of it cannot be parsed.
        OSError: the file cannot be read.
    """
    lines = enumerate(read_lines(stream), start=1)
    try:
        first = next((each for each in lines if not each[1].isspace()), None)
        if first is None:
            return
        parse = parse_json if first[1].lstrip().startswith(("{", "[")) else parse_csv
        yield from parse(chain([first], lines), parser, prefix)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(f"not a whole gzip file: {error}") from None


def file_size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it is not a regular file, or cannot be examined."""
    with suppress(OSError):
        if path.is_file():
            return path.stat().st_size
    return 0


def describe_os_error(error: OSError) -> str:
    """Return why a file cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a directory"
    return (error.strerror or str(error)).lower()
