"""Opens files and reads their rows as one stream."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from metrics_graphql.ingestion.formats import Row, UnreadableFile, parse_file

STDIN: Final = Path("-")


class FileReader:
    """Iterates over the rows of several files, in order, and counts the bytes read.

    `default_org_id` is the organization of rows without an `org_id`. The path `-` is standard
    input.
    """

    def __init__(self, paths: Sequence[Path], default_org_id: str | None) -> None:
        self._paths = paths
        self._default_org_id = default_org_id
        self.total_bytes = (
            None if STDIN in paths else sum(path.stat().st_size for path in paths if path.is_file())
        )
        """Bytes of all files, as stored (compressed or not); None with standard input."""
        self.bytes_read = 0
        """Bytes read so far, of `total_bytes`."""

    def __iter__(self) -> Iterator[Row]:
        """Yield each row; its location begins with the path of its file.

        Raises:
            UnreadableFile: a file is in none of the formats, or truncated.
            OSError: a file cannot be opened or read.
        """
        for path in self._paths:
            offset = self.bytes_read
            source = 0 if path == STDIN else path
            with open(source, "rb", closefd=source != 0) as stream:
                try:
                    for row in parse_file(stream, self._default_org_id):
                        if stream.seekable():
                            self.bytes_read = offset + stream.tell()
                        yield row._replace(location=f"{path}: {row.location}")
                except UnreadableFile as error:
                    raise UnreadableFile(f"{path}: {error}") from None
