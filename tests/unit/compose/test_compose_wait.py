"""Waiting for containers: what has become of them, and why."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, cast

import pytest
from tls_server import HOST, Server, server_context, serving

from constructs_lib.compose.wait import NotReadyError, main, wait
from constructs_lib.identity.certificate_authority import CertificateAuthority
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from docker import DockerClient


class Engine:
    """Answers with one state after the other, and stays with the last."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.api = self
        self.states: Sequence[dict[str, Any]] = states
        self.now = 0.0
        self._asked = 0

    def inspect_container(self, name: str) -> dict[str, Any]:
        """Answer."""
        state = self.states[min(self._asked, len(self.states) - 1)]
        self._asked += 1
        return {"Id": "abc", "Name": f"/{name}", "State": state}

    def logs(self, container: str, *, tail: int) -> bytes:
        """Answer."""
        assert (container, tail) == ("abc", 20)
        return b"hello\nworld\n"

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def wait(self, until: str) -> str:
        """Wait."""
        return wait(
            cast("DockerClient", self),
            "web-1",
            until=until,
            timeout_seconds=10,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def state(status: str, *, health: str | None = None, code: int = 0) -> dict[str, Any]:
    log = [{"Start": "2026-01-31T12:00:00.5Z", "ExitCode": 1, "Output": "no  luck\n"}]
    told = {"Health": {"Status": health, "Log": log}} if health else {}
    return {"Status": status, "ExitCode": code, "Restarting": False, **told}


def test_it_waits_until_it_is_healthy() -> None:
    engine = Engine(state("running", health="starting"), state("running", health="healthy"))
    assert engine.wait("healthy") == "web-1 is healthy after 0.2 s"


def test_a_check_that_the_image_may_have_is_waited_for_where_it_has_one() -> None:
    engine = Engine(state("running", health="starting"), state("running", health="healthy"))
    assert engine.wait("healthy_if_checked") == "web-1 is healthy after 0.2 s"
    assert Engine(state("running")).wait("healthy_if_checked") == (
        "web-1 has no healthcheck, in the file and in its image"
    )
    with pytest.raises(NotReadyError, match="web-1: must be healthy, got unhealthy"):
        Engine(state("running", health="unhealthy")).wait("healthy_if_checked")


def test_it_waits_until_it_has_ended_well() -> None:
    engine = Engine(state("running"), state("exited"))
    assert engine.wait("completed") == "web-1 is completed after 0.2 s"


@pytest.mark.parametrize(
    ("until", "last", "expected"),
    [
        ("healthy", state("running", health="unhealthy"), "must be healthy, got unhealthy"),
        ("healthy", state("exited", health="starting", code=3), "got exited with code 3"),
        ("healthy", state("running", health="starting"), "within 10 s, got starting"),
        ("healthy", state("running"), "must have a healthcheck"),
        ("completed", state("exited", code=1), "must end without an error, got exited with code 1"),
        ("completed", state("running"), "must be completed within 10 s, got running"),
    ],
)
def test_it_says_why_it_never_gets_there(until: str, last: dict[str, Any], expected: str) -> None:
    with pytest.raises(NotReadyError) as caught:
        Engine(last).wait(until)
    text = str(caught.value)
    assert text.startswith("web-1: must ")
    assert expected in text
    assert text.endswith("the end of its output:\n  hello\n  world")
    assert ("2026-01-31T12:00:00 code 1: no luck" in text) == ("Health" in last)


class Machine:
    """A machine whose Docker API answers over mutual TLS."""

    def __init__(self, folder: Path) -> None:
        pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certificates")
        pki.ensure()
        self.certificates = pki.certificates_dir
        self._authority = CertificateAuthority.load(
            certificate=pki.ca_file.read_bytes(), private_key=pki.ca_key_file.read_bytes()
        )
        self._context = server_context(
            folder / "server",
            issued=self._authority.issue_server([HOST]),
            clients=pki.clients_file.read_bytes(),
        )

    def wait(self, answers: Mapping[str, tuple[int, bytes]], *names: str) -> int:
        """Run the command against a server with these answers."""
        with serving(self._handler(answers)) as server:
            return self.wait_at(server.port, *names)

    def wait_at(self, port: int, *names: str) -> int:
        """Run the command."""
        return main(
            [
                *("--host", HOST, "--port", str(port), "--certificates", str(self.certificates)),
                *("--until", "healthy", "--timeout", "10", *names),
            ]
        )

    def _handler(
        self, answers: Mapping[str, tuple[int, bytes]]
    ) -> Callable[[socket.socket, Server], None]:
        def handle(connection: socket.socket, _server: Server) -> None:
            with self._context.wrap_socket(connection, server_side=True) as tls:
                path = tls.recv(4096).split()[1].decode()
                status, body = answers[path.partition("?")[0]]
                head = (
                    f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
                )
                tls.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)

        return handle


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


def container(name: str, told: dict[str, Any], *, tty: bool = False) -> tuple[int, bytes]:
    config = {"Tty": tty}
    document = {"Id": f"{name}-id", "Name": f"/{name}", "State": told, "Config": config}
    return 200, json.dumps(document).encode()


def test_the_command_waits_for_each_over_tls(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy, and a CA of somebody else, must not stand between.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    healthy = state("running", health="healthy")
    answers = {f"/v1.40/containers/{name}/json": container(name, healthy) for name in ("a", "b")}
    assert machine.wait(answers, "a", "b") == 0
    out, err = capsys.readouterr()
    assert re.sub(r"\d\.\d s", "T", out) == "a is healthy after T\nb is healthy after T\n"
    assert err == ""


@pytest.mark.parametrize(
    ("tty", "log"),
    [
        (False, b"\x01\0\0\0\0\0\0\x06hello\n\x02\0\0\0\0\0\0\x05world"),
        (True, b"hello\r\nworld\r\n"),
    ],
)
def test_the_command_shows_the_log(
    machine: Machine,
    capsys: pytest.CaptureFixture[str],
    tty: bool,  # noqa: FBT001
    log: bytes,
) -> None:
    told = container("a", state("exited", code=3), tty=tty)
    answers = {
        "/v1.40/containers/a/json": told,
        # The SDK asks it once more, to know whether its log has frames.
        "/v1.40/containers/a-id/json": told,
        "/v1.40/containers/a-id/logs": (200, log),
    }
    assert machine.wait(answers, "a") == 1
    out, err = capsys.readouterr()
    assert (out, err.split("\n", 1)[1]) == ("", "the end of its output:\n  hello\n  world\n")


def test_a_log_that_cannot_be_read_hides_no_reason(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    message = b'{"message": "configured logging driver does not support reading"}'
    told = container("a", state("running", health="unhealthy"))
    answers = {
        "/v1.40/containers/a/json": told,
        "/v1.40/containers/a-id/json": told,
        "/v1.40/containers/a-id/logs": (501, message),
    }
    assert machine.wait(answers, "a") == 1
    assert capsys.readouterr().err == (
        "a: must be healthy, got unhealthy\n"
        "its last health checks:\n"
        "  2026-01-31T12:00:00 code 1: no luck\n"
        "the end of its output:\n"
        "  (configured logging driver does not support reading)\n"
    )


def test_a_container_that_is_not_there(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"/v1.40/containers/x/json": (404, b'{"message": "No such container: x"}')}
    assert machine.wait(answers, "x") == 1
    assert capsys.readouterr().err == "x: must be on the machine, got No such container: x\n"


def test_a_machine_that_does_not_answer(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _connection, _server: None) as server:
        port = server.port
    assert machine.wait_at(port, "x") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{HOST}:{port}: the Docker API must answer, got: ")
    assert "Connection refused" in error


def test_certificates_that_are_not_there(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    machine = copy.copy(machine)
    machine.certificates = tmp_path
    assert machine.wait_at(1, "x") == 1
    assert capsys.readouterr().err.startswith(f"{HOST}:1: the Docker API must answer, got: ")
