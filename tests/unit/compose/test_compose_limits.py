"""Limits that the provider does not know reach the engine over mutual TLS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tls_server import HOST, Server, server_context, serving

from constructs_lib.compose.limits import main
from constructs_lib.identity.certificate_authority import CertificateAuthority
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    import socket
    from pathlib import Path


class Machine:
    """A machine whose Docker API notes what it is asked, and answers with one status."""

    def __init__(self, folder: Path) -> None:
        pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certificates")
        pki.ensure()
        self.certificates = pki.certificates_dir
        authority = CertificateAuthority.load(
            certificate=pki.ca_file.read_bytes(), private_key=pki.ca_key_file.read_bytes()
        )
        self._context = server_context(
            folder / "server",
            issued=authority.issue_server([HOST]),
            clients=pki.clients_file.read_bytes(),
        )
        self.asked: list[tuple[str, Any]] = []
        self.status = 200

    def limit(self, port: int) -> int:
        """Run the command."""
        return main(
            [
                *("--host", HOST, "--port", str(port), "--certificates", str(self.certificates)),
                *("--pids", "100", "--", "moor-web-1", "moor-web-2"),
            ]
        )

    def handle(self, connection: socket.socket, _server: Server) -> None:
        """Answer one request."""
        with self._context.wrap_socket(connection, server_side=True) as tls:
            head, _, body = b"".join(iter_until_body(tls)).partition(b"\r\n\r\n")
            self.asked.append((head.split()[1].decode(), json.loads(body)))
            answer = b'{"message": "no such container"}'
            tls.sendall(
                f"HTTP/1.1 {self.status} -\r\nContent-Length: {len(answer)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + answer
            )


def iter_until_body(tls: socket.socket) -> list[bytes]:
    """Read until the JSON has come, which may be after the head."""
    parts = [tls.recv(4096)]
    while not b"".join(parts).endswith(b"}"):
        parts.append(tls.recv(4096))
    return parts


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_each_container_is_limited(machine: Machine) -> None:
    with serving(machine.handle) as server:
        assert machine.limit(server.port) == 0
    assert machine.asked == [
        (f"/v1.40/containers/{name}/update", {"PidsLimit": 100})
        for name in ("moor-web-1", "moor-web-2")
    ]


def test_a_limit_that_is_refused_fails_the_deployment(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.status = 404
    with serving(machine.handle) as server:
        assert machine.limit(server.port) == 1
    assert capsys.readouterr().err == (
        'moor-web-1: must take a limit of 100 processes, got: {"message": "no such container"}\n'
    )


def test_an_engine_that_does_not_answer_is_told(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(machine.handle) as server:
        port = server.port
    assert machine.limit(port) == 1
    assert capsys.readouterr().err.startswith(f"{HOST}:{port}: the Docker API must answer, got: ")
