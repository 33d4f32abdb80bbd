"""A way to PostgreSQL that can be made slow, or stopped."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa


class Proxy:
    """Passes on what two sides say, each piece `delay` seconds late, and while it is `open`."""

    def __init__(self, target: sa.URL) -> None:
        self._target = target
        self.url = ""
        self.delay = 0.0
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect somebody with the database."""
        socket = f"{self._target.query['host']}/.s.PGSQL.5432"
        try:
            there, back = await asyncio.open_unix_connection(socket)
        except OSError:
            writer.close()
            return
        with suppress(ConnectionError):
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                await self.open.wait()
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def proxied(url: str) -> AsyncGenerator[Proxy]:
    """Lend a proxy on a port of its own to the server of a URL, which listens on a socket file."""
    target = sa.make_url(url)
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = sa.URL.create(
        "postgresql", target.username, host="127.0.0.1", port=port, database=target.database
    ).render_as_string(hide_password=False)
    try:
        yield proxy
    finally:
        server.close()
