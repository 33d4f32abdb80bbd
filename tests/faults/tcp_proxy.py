"""A TCP proxy to PostgreSQL that delays packets, or holds them back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa


class TCPProxy:
    """Forwards packets, each `delay` seconds late, while `is_open` is set."""

    def __init__(self, target: sa.URL) -> None:
        self._target = target
        self.url = ""
        self.delay = 0.0
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward the packets of a connection in both directions."""
        socket = f"{self._target.query['host']}/.s.PGSQL.5432"
        try:
            target_reader, target_writer = await asyncio.open_unix_connection(socket)
        except OSError:
            writer.close()
            return
        with suppress(ConnectionError):
            await asyncio.gather(
                self._forward(reader, target_writer), self._forward(target_reader, writer)
            )

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while packet := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                await self.is_open.wait()
                writer.write(packet)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncGenerator[TCPProxy]:
    """Run a proxy to a server that listens on a Unix socket."""
    target = sa.make_url(url)
    proxy = TCPProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = sa.URL.create(
        "postgresql", target.username, host="127.0.0.1", port=port, database=target.database
    ).render_as_string(hide_password=False)
    try:
        yield proxy
    finally:
        server.close()
