"""Small servers on the loopback interface, good ones and bad ones, for real handshakes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from constructs_lib.identity.certificate_authority import Issued

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"


def server_context(
    directory: Path,
    *,
    issued: Issued,
    clients: bytes | None,
    verify: ssl.VerifyMode = ssl.CERT_REQUIRED,
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """Return a server's context; without `clients` it asks no client for a certificate."""
    directory.mkdir(exist_ok=True)
    (directory / "cert.pem").write_bytes(issued.certificate_pem)
    (directory / "key.pem").write_bytes(issued.private_key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = maximum
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    if clients is not None:
        context.verify_mode = verify
        context.load_verify_locations(cadata=clients.decode())
    return context


@dataclass
class Server:
    """A running server.

    Attributes:
        port: Its TCP port on 127.0.0.1.
        requests: What clients were answered to, after the handshake.
    """

    port: int
    requests: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def serving(
    handle: Callable[[socket.socket, Server], None], port: int = 0, *, host: str = HOST
) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        handle: Serves one connection; its `OSError`s (refused handshakes among them) end it.
        port: The TCP port; any free one where 0.
        host: The address of this computer that it listens on.
    """
    with socket.create_server((host, port)) as listener:
        server = Server(port=listener.getsockname()[1])

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                handle(connection, server)

        def accept() -> None:
            threads = []
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    break
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()
            for thread in threads:
                thread.join()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield server
        finally:
            # `close` alone would not wake the thread that waits in `accept`.
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()


def over_tls(
    context: ssl.SSLContext, answer: bytes = ANSWER
) -> Callable[[socket.socket, Server], None]:
    """Serve HTTP over TLS; plain HTTP gets the 400 that Go's server gives it."""

    def handle(connection: socket.socket, server: Server) -> None:
        if connection.recv(1, socket.MSG_PEEK) != b"\x16":
            connection.recv(4096)
            connection.sendall(
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
            )
            return
        with context.wrap_socket(connection, server_side=True) as tls:
            server.requests.append(tls.recv(4096))
            tls.sendall(answer)

    return handle


def over_plain(answer: bytes = ANSWER) -> Callable[[socket.socket, Server], None]:
    """Serve HTTP with no TLS at all."""

    def handle(connection: socket.socket, server: Server) -> None:
        server.requests.append(connection.recv(4096))
        connection.sendall(answer)

    return handle
