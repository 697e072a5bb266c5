"""The probe: silent on a good server, and loud on each way to break a guarantee."""

from __future__ import annotations

import itertools
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tls_server import ANSWER, HOST, Server, over_plain, over_tls, server_context, serving

from constructs_lib.host import docker_api_probe
from constructs_lib.host.docker_api_probe import DockerApiProbe, ProbeError, main
from constructs_lib.identity.certificate_authority import (
    CertificateAuthority,
    Issued,
    issue_client,
    utc_now,
)
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[socket.socket, Server], None]


class Fixture:
    """A PKI and what servers are made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certificates")
        self.pki.ensure()
        self.authority = CertificateAuthority.load(
            certificate=self.pki.ca_file.read_bytes(),
            private_key=self.pki.ca_key_file.read_bytes(),
        )
        self.clients = self.pki.clients_file.read_bytes()
        self._numbers = itertools.count()

    def context(
        self,
        *,
        authority: CertificateAuthority | None = None,
        name: str = HOST,
        clients: bytes | None,
        verify: ssl.VerifyMode = ssl.CERT_REQUIRED,
        maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> ssl.SSLContext:
        """Return the context of a server."""
        return server_context(
            self.folder / f"server-{next(self._numbers)}",
            issued=(authority or self.authority).issue_server([name]),
            clients=clients,
            verify=verify,
            maximum=maximum,
        )

    def probe(self, server: Server, timeout_seconds: float = 0.0) -> DockerApiProbe:
        """Return a probe of a server, which does not wait."""
        return DockerApiProbe(
            host=HOST,
            port=server.port,
            certificates=self.pki.certificates_dir,
            timeout_seconds=timeout_seconds,
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return Fixture(tmp_path_factory.mktemp("probe"))


def message(check: Callable[[], None]) -> str:
    with pytest.raises(ProbeError) as error:
        check()
    return str(error.value)


@pytest.mark.parametrize(
    "maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
def test_a_good_server_passes(made: Fixture, maximum: ssl.TLSVersion) -> None:
    lines: list[str] = []
    context = made.context(clients=made.clients, maximum=maximum)
    with serving(over_tls(context)) as server:
        made.probe(server).run(lines.append)
    assert lines == [
        f"{HOST}:{server.port}: our certificate: answered",
        f"{HOST}:{server.port}: no certificate: refused",
        f"{HOST}:{server.port}: foreign certificate: refused",
        f"{HOST}:{server.port}: plain HTTP: refused",
    ]
    # Only our own request was ever read by the server.
    assert len(server.requests) == 1


def test_the_command_reports_and_exits_with_0(made: Fixture) -> None:
    with serving(over_tls(made.context(clients=made.clients))) as server:
        done = subprocess.run(
            [sys.executable, "-m", "constructs_lib.host.docker_api_probe", "--host", HOST,
             "--port", str(server.port), "--certificates", made.pki.certificates_dir,
             "--pki", made.pki.pki_dir],
            check=False, capture_output=True, text=True, cwd=Path(__file__).parents[3],
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 4


def test_it_waits_for_a_server_that_is_late(made: Fixture) -> None:
    context = made.context(clients=made.clients)
    with socket.create_server((HOST, 0)) as reserved:
        port = reserved.getsockname()[1]
    ready = threading.Event()
    attempts = 0

    def handle(connection: socket.socket, server: Server) -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 2:
            ready.set()
            over_tls(context)(connection, server)

    with serving(handle, port) as server:
        made.probe(server, timeout_seconds=20).check_our_certificate()
    assert ready.is_set()


# Each guarantee, broken


def test_it_fails_when_nothing_listens(made: Fixture) -> None:
    with socket.create_server((HOST, 0)) as reserved:
        server = Server(port=reserved.getsockname()[1])
    subject = f"{HOST}:{server.port}"
    probe = made.probe(server)
    assert message(probe.check_our_certificate) == (
        f"{subject}: our certificate: must be answered within 0 s, "
        "got [Errno 111] Connection refused"
    )
    # A port that is closed has refused nobody.
    for check, name in (
        (probe.check_no_certificate, "no certificate"),
        (probe.check_foreign_certificate, "foreign certificate"),
        (probe.check_plain_http, "plain HTTP"),
    ):
        assert message(check) == (
            f"{subject}: {name}: must be refused by the server, "
            "got no connection ([Errno 111] Connection refused)"
        )


def test_it_fails_when_our_certificate_is_refused(made: Fixture) -> None:
    other = issue_client("moor client").certificate_pem
    with serving(over_tls(made.context(clients=other))) as server:
        assert message(made.probe(server).check_our_certificate).startswith(
            f"{HOST}:{server.port}: our certificate: must be answered within 0 s, got "
        )


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nOK", ANSWER[:-2] + b"NO"],
    ids=["status", "body"],
)
def test_it_fails_when_the_answer_is_not_an_engines(made: Fixture, answer: bytes) -> None:
    context = made.context(clients=made.clients)
    with serving(over_tls(context, answer)) as server:
        assert "got HTTP status " in message(made.probe(server).check_our_certificate)


CHECKS = ("check_our_certificate", "check_no_certificate", "check_foreign_certificate")


@pytest.mark.parametrize("check", CHECKS)
def test_it_fails_when_the_server_is_another_authoritys(made: Fixture, check: str) -> None:
    namesake = CertificateAuthority.create("moor certificate authority")
    context = made.context(authority=namesake, clients=made.clients)
    with serving(over_tls(context)) as server:
        text = message(getattr(made.probe(server), check))
    assert f"must be one of {made.pki.certificates_dir}/ca.pem for {HOST}, got: " in text


@pytest.mark.parametrize("check", CHECKS)
def test_it_fails_when_the_server_is_another_host(made: Fixture, check: str) -> None:
    context = made.context(name="127.0.0.2", clients=made.clients)
    with serving(over_tls(context)) as server:
        text = message(getattr(made.probe(server), check))
    assert "IP address mismatch" in text


@pytest.mark.parametrize("check", CHECKS)
def test_it_fails_when_the_servers_certificate_has_expired(
    made: Fixture, check: str, tmp_path: Path
) -> None:
    then = utc_now() - timedelta(days=400)
    born = CertificateAuthority.create("moor certificate authority", clock=lambda: then)
    folder = tmp_path / "certificates"
    shutil.copytree(made.pki.certificates_dir, folder)
    (folder / "ca.pem").write_bytes(born.certificate_pem)
    with serving(over_tls(made.context(authority=born, clients=made.clients))) as server:
        probe = replace(made.probe(server), certificates=folder)
        text = message(getattr(probe, check))
    assert text.endswith("got: certificate has expired")


@pytest.mark.parametrize(
    "maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
@pytest.mark.parametrize("asks", [False, True], ids=["never asks", "asks but does not insist"])
def test_it_fails_when_a_client_without_a_certificate_is_answered(
    made: Fixture, maximum: ssl.TLSVersion, *, asks: bool
) -> None:
    context = made.context(
        clients=made.clients if asks else None, verify=ssl.CERT_OPTIONAL, maximum=maximum
    )
    lines: list[str] = []
    with serving(over_tls(context)) as server:
        text = message(lambda: made.probe(server).run(lines.append))
    assert text == (f"{HOST}:{server.port}: no certificate: must be refused, got 'HTTP/1.1 200 OK'")
    assert lines == [f"{HOST}:{server.port}: our certificate: answered"]


def test_an_error_is_an_answer_too(made: Fixture) -> None:
    context = made.context(clients=None)
    with serving(over_tls(context, b"HTTP/1.1 403 Forbidden\r\n\r\n")) as server:
        assert message(made.probe(server).check_no_certificate) == (
            f"{HOST}:{server.port}: no certificate: must be refused, got 'HTTP/1.1 403 Forbidden'"
        )


def test_it_fails_when_a_foreign_certificate_is_answered(
    made: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = issue_client("moor client")

    def known(name: str) -> Issued:
        assert name == "moor client"
        return foreign

    # The server takes this client as well: what one that checks names alone would do.
    monkeypatch.setattr(docker_api_probe, "issue_client", known)
    context = made.context(clients=made.clients + foreign.certificate_pem)
    lines: list[str] = []
    with serving(over_tls(context)) as server:
        text = message(lambda: made.probe(server).run(lines.append))
    assert text == (
        f"{HOST}:{server.port}: foreign certificate: must be refused, got 'HTTP/1.1 200 OK'"
    )
    assert len(lines) == 2


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\nApi-Version: 1.41\r\n\r\n",
    ],
    ids=["200", "404", "an engine's 400"],
)
def test_it_fails_when_plain_http_is_answered(made: Fixture, answer: bytes) -> None:
    with serving(over_plain(answer)) as server:
        assert message(made.probe(server).check_plain_http) == (
            f"{HOST}:{server.port}: plain HTTP: must be refused, "
            f"got {answer.split(bytes([13]))[0].decode()!r}"
        )


def test_it_fails_when_one_port_speaks_both(made: Fixture) -> None:
    tls = over_tls(made.context(clients=made.clients))

    def handle(connection: socket.socket, server: Server) -> None:
        encrypted = connection.recv(1, socket.MSG_PEEK) == b"\x16"
        (tls if encrypted else over_plain())(connection, server)

    lines: list[str] = []
    with serving(handle) as server:
        text = message(lambda: made.probe(server).run(lines.append))
    assert text == f"{HOST}:{server.port}: plain HTTP: must be refused, got 'HTTP/1.1 200 OK'"
    assert len(lines) == 3


@pytest.mark.parametrize("answer", [b"", b"\x15\x03\x01\x00\x02\x02\x0a"], ids=["eof", "alert"])
def test_a_broken_off_connection_refuses_plain_http(made: Fixture, answer: bytes) -> None:
    with serving(over_plain(answer)) as server:
        made.probe(server).check_plain_http()


@pytest.mark.parametrize("check", ["check_no_certificate", "check_plain_http"])
def test_silence_is_no_refusal(made: Fixture, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    monkeypatch.setattr(docker_api_probe, "_CONNECTION_SECONDS", 0.2)
    done = threading.Event()

    def handle(_connection: socket.socket, _server: Server) -> None:
        done.wait(5)

    with serving(handle) as server:
        text = message(getattr(made.probe(server), check))
        done.set()
    assert text.endswith("must be refused, got no answer within 0.2 s")


def test_silence_after_the_handshake_is_no_refusal(
    made: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_api_probe, "_CONNECTION_SECONDS", 0.5)
    context = made.context(clients=None)
    done = threading.Event()

    def handle(connection: socket.socket, _server: Server) -> None:
        with context.wrap_socket(connection, server_side=True):
            done.wait(5)

    with serving(handle) as server:
        text = message(made.probe(server).check_no_certificate)
        done.set()
    assert text.endswith("no certificate: must be refused, got no answer within 0.5 s")


# A client that was replaced


def prepared(made: Fixture, folder: Path) -> Pki:
    """Return a PKI whose client was rotated, and not installed yet."""
    shutil.copytree(made.folder / "pki", folder / "pki")
    shutil.copytree(made.folder / "certificates", folder / "certificates")
    pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certificates")
    pki.rotate(client=True)
    return pki


def command(pki: Pki, server: Server) -> int:
    return main(
        ["--host", HOST, "--port", str(server.port), "--timeout", "0",
         "--certificates", str(pki.certificates_dir), "--pki", str(pki.pki_dir)]
    )  # fmt: skip


def test_the_one_that_was_prepared_takes_the_place_of_the_one_before(
    made: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pki = prepared(made, tmp_path)
    after = (pki.next_dir / "cert.pem").read_bytes()
    with serving(over_tls(made.context(clients=pki.clients_file.read_bytes()))) as server:
        assert command(pki, server) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == f"{HOST}:{server.port}: the certificate before: refused"
        assert len(lines) == 5
        assert not pki.is_prepared
        assert (pki.certificates_dir / "cert.pem").read_bytes() == after
        assert command(pki, server) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_it_fails_when_the_one_before_is_still_answered(
    made: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pki = prepared(made, tmp_path)
    both = pki.clients_file.read_bytes() + made.clients
    with serving(over_tls(made.context(clients=both))) as server:
        assert command(pki, server) == 1
    assert capsys.readouterr().err == (
        f"{HOST}:{server.port}: the certificate before: must be refused, got 'HTTP/1.1 200 OK'\n"
    )
    # Nothing is taken for installed that is not.
    assert pki.is_prepared


def test_nothing_changes_here_while_the_machine_does_not_know_the_new_one(
    made: Fixture, tmp_path: Path
) -> None:
    pki = prepared(made, tmp_path)
    with serving(over_tls(made.context(clients=made.clients))) as server:
        assert command(pki, server) == 1
        assert pki.is_prepared
        made.probe(server).check_our_certificate()


def test_one_of_which_half_was_taken_over_cannot_be_tried(made: Fixture, tmp_path: Path) -> None:
    pki = prepared(made, tmp_path)
    shutil.copy(pki.next_dir / "key.pem", pki.certificates_dir)
    with serving(over_tls(made.context(clients=pki.clients_file.read_bytes()))) as server:
        assert command(pki, server) == 0
    assert not pki.is_prepared


# One of several machines

OTHER = "127.0.0.2"
"""This computer, too: another machine at the same port."""


def of_both(pki: Pki, server: Server, *more: str) -> int:
    return main(
        ["--host", HOST, "--host", OTHER, "--port", str(server.port), "--timeout", "0",
         "--certificates", str(pki.certificates_dir), "--pki", str(pki.pki_dir), *more]
    )  # fmt: skip


def test_the_next_client_is_in_use_only_when_both_machines_know_it(
    made: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rotation over two nodes: one after the other, and the change at the end."""
    pki = prepared(made, tmp_path)
    before = (pki.certificates_dir / "cert.pem").read_bytes()
    after = (pki.next_dir / "cert.pem").read_bytes()
    new = pki.clients_file.read_bytes()
    with serving(over_tls(made.context(clients=new))) as one:
        port = one.port
        # The first machine has it, and says so; the second one is reached with the old one still.
        folders = ["--pki", str(pki.pki_dir), "--certificates", str(pki.certificates_dir)]
        assert main(["--host", HOST, "--port", str(port), "--keep", *folders]) == 0
        assert pki.is_prepared
        assert (pki.certificates_dir / "cert.pem").read_bytes() == before
        with serving(over_tls(made.context(name=OTHER, clients=made.clients)), port, host=OTHER):
            assert of_both(pki, one) == 1
            assert capsys.readouterr().err.startswith(f"{OTHER}:{port}: our certificate: must be ")
            assert pki.is_prepared
            assert (pki.certificates_dir / "cert.pem").read_bytes() == before
        with serving(over_tls(made.context(name=OTHER, clients=new)), port, host=OTHER):
            assert of_both(pki, one) == 0
        lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "the certificate before" in line] == [
        f"{host}:{port}: the certificate before: refused" for host in (HOST, OTHER)
    ]
    assert not pki.is_prepared
    assert (pki.certificates_dir / "cert.pem").read_bytes() == after


def test_a_machine_that_still_answers_the_one_before_stops_the_change(
    made: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pki = prepared(made, tmp_path)
    new = pki.clients_file.read_bytes()
    with (
        serving(over_tls(made.context(clients=new))) as one,
        serving(
            over_tls(made.context(name=OTHER, clients=new + made.clients)), one.port, host=OTHER
        ),
    ):
        assert of_both(pki, one) == 1
    assert capsys.readouterr().err == (
        f"{OTHER}:{one.port}: the certificate before: must be refused, got 'HTTP/1.1 200 OK'\n"
    )
    assert pki.is_prepared


# Its own files and words


def test_it_fails_when_the_folder_is_incomplete(made: Fixture, tmp_path: Path) -> None:
    probe = DockerApiProbe(host=HOST, port=1, certificates=tmp_path, timeout_seconds=0)
    assert message(probe.check_our_certificate) == (
        f"{tmp_path}/ca.pem: must be the CA's certificate, got [Errno 2] No such file or directory"
    )
    (tmp_path / "ca.pem").write_bytes(made.pki.ca_file.read_bytes())
    assert message(probe.check_our_certificate) == (
        f"{tmp_path}: cert.pem and key.pem: must be a certificate and its key, "
        "got [Errno 2] No such file or directory"
    )


def test_the_command_fails_with_1_and_says_why(
    made: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(over_plain()) as server:
        status = main(
            ["--host", HOST, "--port", str(server.port), "--timeout", "0",
             "--certificates", str(made.pki.certificates_dir), "--pki", str(made.pki.pki_dir)]
        )  # fmt: skip
    out, err = capsys.readouterr()
    assert status == 1
    assert out == ""
    assert err.startswith(f"{HOST}:{server.port}: our certificate: must be answered within 0 s, ")


def test_an_ipv6_address_is_shown_in_brackets(tmp_path: Path) -> None:
    assert str(DockerApiProbe(host="::1", port=2376, certificates=tmp_path)) == "[::1]:2376"
