"""The probe that runs after each start of Docker, against real servers: right ones and wrong ones.

`systemctl` is a stand-in that records; curl and openssl are real.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tls_server import Server, over_plain, over_tls, serving

from constructs_lib.host import user_data

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(user_data.__file__).parent / "scripts" / "refuse-strangers.sh"
SOCKET = user_data.SOCKET_UNIT
CLOSING = [f"--no-reload disable {SOCKET}", f"stop {SOCKET}"]

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "curl", "openssl")),
    reason="needs bash, curl and openssl",
)


class Machine:
    """A folder with Docker's files, and stand-ins on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = folder / "tools"
        self.docker = folder / "docker"
        self.tools.mkdir()
        self.docker.mkdir()
        self.tool("systemctl", '#!/bin/bash\necho "$*" >>"${0%/*}/calls"\n')
        (self.tools / "calls").touch()
        (self.docker / "tls.env").write_text("DOCKER_OPTS=--tlsverify\n")
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-noenc", "-subj", "/CN=x"),
                *("-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-keyout", self.key, "-out", self.certificate),
            ],
            check=True,
            capture_output=True,
        )

    def tool(self, name: str, text: str) -> None:
        """Put a program on PATH."""
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """What systemctl was asked."""
        return (self.tools / "calls").read_text().splitlines()

    def context(self, verify: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
        """Return the context of an engine."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.certificate)
        context.verify_mode = verify
        return context

    def run(self, port: int) -> subprocess.CompletedProcess[str]:
        """Run the probe."""
        return subprocess.run(
            ["bash", SCRIPT, str(port), self.docker],
            check=False,
            capture_output=True,
            text=True,
            env={
                "PATH": f"{self.tools}:/usr/sbin:/usr/bin:/sbin:/bin",
                "TMPDIR": str(self.folder),
                "LC_ALL": "C",
            },
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_closed(
    machine: Machine, done: subprocess.CompletedProcess[str], port: int, reason: str
) -> None:
    assert done.stderr == (
        f"refuse-strangers.sh: {reason} (curl/HTTP status); port {port} is closed until the next "
        "deployment\n"
    )
    # The failure ends dockerd, which has the socket open itself.
    assert done.returncode == 1
    assert machine.calls == CLOSING
    assert not (machine.docker / "tls.env").exists()
    assert not list(machine.folder.glob("refuse-strangers.*"))


def test_a_port_that_refuses_strangers_stays_open(machine: Machine) -> None:
    with serving(over_tls(machine.context())) as server:
        done = machine.run(server.port)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls == []
    assert (machine.docker / "tls.env").exists()
    assert server.requests == []
    assert not list(machine.folder.glob("refuse-strangers.*"))


def test_where_nobody_listens_there_is_nothing_to_prove(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert machine.run(port).returncode == 0
    assert machine.calls == []


def test_it_closes_when_plain_http_is_answered(machine: Machine) -> None:
    with serving(over_plain()) as server:
        done = machine.run(server.port)
    assert_closed(machine, done, server.port, "plain HTTP: must be refused, got 0/200")


@pytest.mark.parametrize("verify", [ssl.CERT_NONE, ssl.CERT_OPTIONAL])
def test_it_closes_when_no_certificate_is_asked_for(
    machine: Machine, verify: ssl.VerifyMode
) -> None:
    with serving(over_tls(machine.context(verify))) as server:
        done = machine.run(server.port)
    assert_closed(machine, done, server.port, "no client certificate: must be refused, got 0/200")


def test_it_closes_when_any_certificate_will_do(machine: Machine) -> None:
    # The stranger's own certificate becomes an authority of the server's: openssl is told to make
    # the very one that the server takes.
    machine.tool(
        "openssl",
        "#!/bin/bash\n"
        "while (($#)); do case $1 in -keyout) key=$2 ;; -out) out=$2 ;; esac; shift; done\n"
        f'cp {machine.key} "$key"; cp {machine.certificate} "$out"\n',
    )
    with serving(over_tls(machine.context())) as server:
        done = machine.run(server.port)
    assert_closed(machine, done, server.port, "a foreign certificate: must be refused, got 0/200")


@pytest.mark.parametrize("tool", ["curl", "openssl"])
def test_it_closes_when_it_cannot_try(machine: Machine, tool: str) -> None:
    machine.tool(tool, "#!/bin/bash\nexit 127\n")
    with serving(over_tls(machine.context())) as server:
        done = machine.run(server.port)
    assert done.returncode == 1
    assert machine.calls == CLOSING
    assert not (machine.docker / "tls.env").exists()


def passing(kind: str) -> Callable[[socket.socket, Server], None]:
    """Return a handler that refuses in one of the ways that servers have."""

    def handle(connection: socket.socket, _server: Server) -> None:
        connection.recv(4096)
        if kind == "reset":
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    return handle


@pytest.mark.parametrize("kind", ["reset", "hang-up"])
def test_a_broken_connection_is_a_refusal(machine: Machine, kind: str) -> None:
    with serving(passing(kind)) as server:
        done = machine.run(server.port)
    assert (done.returncode, done.stderr) == (0, "")
