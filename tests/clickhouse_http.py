"""ClickHouse's HTTP interface in front of chdb, with faults on demand.

The driver uses it as it uses a server, so that its behavior over a network can be tested.
"""

import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import lz4.frame
import sqlalchemy as sa
from clickhouse_connect.driver._backend.models import QueryRuntime
from clickhouse_connect.driver.exceptions import Error

from metrics_graphql.storage.clickhouse.client import INSERT_SETTINGS

Fault = Literal["", "cut", "silent", "busy", "shard"]
SETTINGS = {"max_execution_time", "insert_deduplication_token", *INSERT_SETTINGS}
ERRORS = {
    "busy": (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
    "shard": (279, "ALL_CONNECTION_TRIES_FAILED"),
}


class FaultyServer(ThreadingHTTPServer):
    """Passes statements to chdb, unless a fault is set."""

    daemon_threads = True

    def __init__(self, embedded_url: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine = sa.create_engine(embedded_url)
        self.fault: Fault = ""

    @property
    def url(self) -> str:
        """The URL of the same database over HTTP."""
        return f"clickhousedb://127.0.0.1:{self.server_port}/{self.engine.url.database}"


class Handler(BaseHTTPRequestHandler):
    """Handles a request: a statement and its values, in the query string or in a form."""

    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def do_POST(self) -> None:
        """Execute a statement, or fail as the fault requires."""
        body = self._body()
        if self.server.fault == "silent":
            time.sleep(5)
        if self.server.fault in ERRORS:
            code, name = ERRORS[self.server.fault]
            self._send_error(code, f"Code: {code}. DB::Exception: a fault. ({name})")
            return
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if "multipart" in self.headers.get("Content-Type", ""):
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            for part in BytesParser().parsebytes(head + body).get_payload():
                name = str(part.get_param("name", header="content-disposition"))  # type: ignore[union-attr] # a part
                parameters[name] = part.get_payload(decode=True).decode()  # type: ignore[union-attr] # a part
        try:
            result = self._run(parameters, body)
        except Error as error:
            self._send_error(error.code or 0, str(error))
            return
        self.send_response(200)
        self.send_header("X-ClickHouse-Format", "Native")
        self.send_header("Content-Length", str(len(result)))
        self.end_headers()
        self.wfile.write(result[: len(result) // 2] if self.server.fault == "cut" else result)
        if self.server.fault == "cut":
            self.close_connection = True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        body = b"".join(chunks)
        if self.headers.get("Content-Encoding") != "lz4":
            return body
        blocks = []
        while body:  # The driver sends each block as a frame of its own.
            unpacker = lz4.frame.LZ4FrameDecompressor()
            blocks.append(unpacker.decompress(body))
            body = unpacker.unused_data or b""
        return b"".join(blocks)

    def _run(self, parameters: dict[str, str], body: bytes) -> bytes:
        values = {name: value for name, value in parameters.items() if name.startswith("param_")}
        settings = {name: parameters[name] for name in SETTINGS & parameters.keys()}
        with self.server.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            client = driver.client
            statement, _, block = body.partition(b" FORMAT Native\n")
            if statement.startswith(b"INSERT INTO "):
                table, *columns = re.findall(r"`(\w+)`", statement.decode())
                client.raw_insert(table, columns, block, settings=settings, fmt="Native")
                return b""
            text = parameters.get("query") or body.decode()
            # Below the public methods: the values are in the format of the HTTP interface already.
            runtime = QueryRuntime(database=client.database, settings=settings)
            result: bytes = client._backend.execute_raw_query(text, values, None, runtime, None)  # noqa: SLF001 - see above
            return result

    do_GET = do_POST  # noqa: N815 - the name that http.server calls

    def _send_error(self, code: int, message: str) -> None:
        self.send_response(500)
        self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("Content-Length", str(len(message.encode())))
        self.end_headers()
        self.wfile.write(message.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def over_http(embedded_url: str) -> Generator[FaultyServer]:
    """Serve a database of chdb until the block ends."""
    server = FaultyServer(embedded_url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
    server.engine.dispose()
