"""Several files of sessions read as one source, and how far reading has come."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from metrics_graphql.loading.formats import Parsed, Rejection, UnreadableFile, read_sessions

STDIN = Path("-")


class Files:
    """The rows of several files, in their order. `org_id` is that of rows that name none."""

    def __init__(self, paths: Sequence[Path], org_id: str | None) -> None:
        self._paths = paths
        self._org_id = org_id
        self.total_bytes = (
            None if STDIN in paths else sum(path.stat().st_size for path in paths if path.is_file())
        )
        """How much there is to read; None if standard input is among it."""
        self.bytes_read = 0
        """As they are on the disk, compressed or not."""

    def __iter__(self) -> Iterator[Parsed | Rejection]:
        """Yield each row, its place led by its file.

        Raises:
            UnreadableFile: a file is in none of the formats, or breaks off.
            OSError: a file can't be read.
        """
        for path in self._paths:
            before = self.bytes_read
            source = 0 if path == STDIN else path
            with open(source, "rb", closefd=source != 0) as stream:
                try:
                    for row in read_sessions(stream, self._org_id):
                        if stream.seekable():
                            self.bytes_read = before + stream.tell()
                        yield row._replace(place=f"{path}: {row.place}")
                except UnreadableFile as error:
                    raise UnreadableFile(f"{path}: {error}") from None
