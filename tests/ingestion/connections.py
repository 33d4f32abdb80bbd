"""A certificate authority and a proxy of a company, between `sync` and an API."""

import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Certificates(NamedTuple):
    """A certificate authority, and certificates that it issued for `localhost`."""

    authority: Path
    chain: Path
    expired: Path
    key: Path


def issue_certificates(folder: Path) -> Certificates:
    """Create them with the program `openssl`. The authority lacks the extensions of RFC 5280."""

    def openssl(command: str, *subject: str) -> None:
        subprocess.run(["openssl", *command.split(), *subject], cwd=folder, check=True)  # noqa: S607 - any openssl

    key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    (folder / "san").write_text("subjectAltName=DNS:localhost")
    openssl(f"req -x509 {key} -days 2 -keyout ca.key -out ca.pem -subj", "/CN=Example Company")
    openssl(f"req {key} -keyout host.key -out host.csr -subj", "/CN=localhost")
    for name, days in (("chain", 2), ("expired", -1)):
        openssl(
            f"x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days}"
            f" -extfile san -out {name}.pem"
        )
    return Certificates(
        folder / "ca.pem", folder / "chain.pem", folder / "expired.pem", folder / "host.key"
    )


@dataclass
class TunnelProxy:
    """An HTTP proxy on this machine, and the heads of the requests that it received."""

    address: str
    response: str = "200 OK"
    heads: list[str] = field(default_factory=list)

    def connect(self, client: socket.socket) -> None:
        """Respond to a CONNECT, and then pass bytes on in both directions."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1_000)
        self.heads.append(head.decode())
        client.sendall(f"HTTP/1.1 {self.response}\r\n\r\n".encode())
        if not self.response.startswith("200"):
            return
        port = int(self.heads[-1].split()[1].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as server:
            thread = threading.Thread(target=pump, args=(server, client))
            thread.start()
            pump(client, server)
            thread.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until one side closes."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def tunnel_proxy() -> Generator[TunnelProxy]:
    """Run a proxy for the duration of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = TunnelProxy(f"127.0.0.1:{listener.getsockname()[1]}")

        def run() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, suppress(OSError):
                        proxy.connect(client)

        thread = threading.Thread(target=run)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
