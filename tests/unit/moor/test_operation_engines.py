"""What keeps an engine from answering is told apart, with real connections."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from constructs_lib.identity.certificate_authority import CertificateAuthority, issue_client
from constructs_lib.settings.environment import Environment
from constructs_lib.swarm.managers import Problem
from moor.operation import engines
from moor.operation.engines import UnreachableError
from moor.operation.hosts import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD = timedelta(days=800)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nApi-Version: 1.40\r\n\r\nOK"
FULL = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b'Content-Length: 37\r\n\r\n{"message":"no space left on device"}'
)


def write(folder: Path, authority: CertificateAuthority, *, old: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC) - (OLD if old else timedelta())
    client = issue_client("trial client", clock=lambda: now)
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    (folder / "cert.pem").write_bytes(client.certificate_pem)
    (folder / "key.pem").write_bytes(client.private_key_pem)


def host(environment: Environment, port: int) -> Host:
    return Host(
        name="machine",
        address="127.0.0.1",
        private_address="",
        port=port,
        instance_id="i-1",
        ssh=(),
        certificates=(environment.certificates, environment.pki / "next"),
    )


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)


@pytest.fixture
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("trial")


@contextlib.contextmanager
def serving(
    tmp_path: Path, authority: CertificateAuthority, *, clients: Path, answers: tuple[bytes, ...]
) -> Iterator[int]:
    """Answer some requests over TLS, as an engine would to whoever has one certificate."""
    issued = authority.issue_server(["127.0.0.1"])
    (tmp_path / "server.pem").write_bytes(issued.certificate_pem)
    (tmp_path / "server-key.pem").write_bytes(issued.private_key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server-key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(clients)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            left = list(answers)
            while left:
                connection, _ = server.accept()
                with (
                    contextlib.suppress(OSError),
                    context.wrap_socket(connection, server_side=True) as secured,
                ):
                    while left and secured.recv(65536):
                        secured.sendall(left.pop(0))
                if not answers[0]:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_an_engine_that_answers(
    environment: Environment, authority: CertificateAuthority, tmp_path: Path
) -> None:
    write(environment.certificates, authority)
    clients = environment.certificates / "cert.pem"
    with (
        serving(tmp_path, authority, clients=clients, answers=(OK, OK)) as port,
        engines.engine(environment, host(environment, port)) as client,
    ):
        assert client.ping()


def test_while_certificates_change_the_one_that_is_taken_is_used(
    environment: Environment, authority: CertificateAuthority, tmp_path: Path
) -> None:
    write(environment.certificates, authority)
    write(environment.pki / "next", authority)
    clients = environment.pki / "next" / "cert.pem"
    with (
        serving(tmp_path, authority, clients=clients, answers=(OK, OK)) as port,
        engines.engine(environment, host(environment, port)) as client,
    ):
        assert client.ping()


def refused(environment: Environment, port: int) -> UnreachableError:
    with (
        pytest.raises(UnreachableError) as caught,
        engines.engine(environment, host(environment, port)),
    ):
        pytest.fail("nobody should have answered")
    return caught.value


def test_nobody_listens(environment: Environment, authority: CertificateAuthority) -> None:
    write(environment.certificates, authority)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = refused(environment, port)
    assert error.problem is Problem.REFUSED
    assert str(error) == (
        f"machine (127.0.0.1:{port}): the Docker API must answer, got no connection (Connection "
        f"refused); `ENVIRONMENT={environment.settings_file} .venv/bin/moor doctor` looks why"
    )


def test_nobody_answers(
    environment: Environment, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_PING_SECONDS", 0.2)
    monkeypatch.setattr("constructs_lib.swarm.managers.CONNECT_SECONDS", 0.2)
    write(environment.certificates, authority)
    with socket.create_server(("127.0.0.1", 0)) as server:
        error = refused(environment, server.getsockname()[1])
    assert error.problem is Problem.SILENT
    assert "the Docker API must answer, got nothing in time; `" in str(error)


def test_another_machine_has_the_address(
    environment: Environment, authority: CertificateAuthority, tmp_path: Path
) -> None:
    write(environment.certificates, authority)
    other = CertificateAuthority.create("other")
    clients = environment.certificates / "cert.pem"
    with serving(tmp_path, other, clients=clients, answers=(b"",)) as port:
        error = refused(environment, port)
    assert error.problem is Problem.CERTIFICATE
    assert "must be known by this environment's certificates, got: certificate refused" in str(
        error
    )
    assert "another machine may have the address now" in str(error)


def test_our_own_certificate_has_ended(
    environment: Environment, authority: CertificateAuthority, tmp_path: Path
) -> None:
    write(environment.certificates, authority, old=True)
    clients = environment.certificates / "cert.pem"
    with serving(tmp_path, authority, clients=clients, answers=(b"",)) as port:
        error = refused(environment, port)
    assert error.problem is Problem.CERTIFICATE
    ended = datetime.now(UTC) - OLD + timedelta(days=397)
    assert f"cert.pem: must be valid now, got one that ended on {ended:%F}; `" in str(error)


def test_there_is_no_certificate(environment: Environment) -> None:
    assert "must hold the client's certificate, got none; run " in str(refused(environment, 1))


def test_what_an_engine_refuses_is_told_as_that(
    environment: Environment, authority: CertificateAuthority, tmp_path: Path
) -> None:
    write(environment.certificates, authority)
    clients = environment.certificates / "cert.pem"
    with (
        serving(tmp_path, authority, clients=clients, answers=(OK, FULL)) as port,
        pytest.raises(Exception, match="the engine must do it, got: no space left on device"),
        engines.engine(environment, host(environment, port)) as client,
    ):
        client.containers.list()
