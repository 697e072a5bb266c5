"""A machine that is up and has closed its API, told from every other one by real connections."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from tls_server import Server, over_plain, over_tls, serving

from constructs_lib.settings.environment import Environment
from moor import reopening
from moor.outputs import outputs_file
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moor.session import Session

    Handler = Callable[[socket.socket, Server], None]


def banner(connection: socket.socket, _server: Server) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")


def hang_up(_connection: socket.socket, _server: Server) -> None:
    """As a gate does whose machine does not listen."""


def say_nothing(connection: socket.socket, _server: Server) -> None:
    connection.recv(4096)
    connection.settimeout(1)
    connection.recv(4096)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Handler:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-noenc", "-subj", "/CN=x"),
            *("-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(folder / "cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return over_tls(context)


def is_closed(folder: Path, ssh: int, docker: int) -> bool:
    environment = Environment.from_variable(folder, {"ENVIRONMENT": "production"})
    file = outputs_file(environment)
    file.parent.mkdir(parents=True, exist_ok=True)
    aws = {"public_ip": "127.0.0.1", "docker_host": f"tcp://127.0.0.1:{docker}", "ssh": "ssh"}
    file.write_text(json.dumps({"aws": aws, "docker": {}}))
    settings = SimpleNamespace(aws=SimpleNamespace(ssh=SimpleNamespace(port=ssh)))
    session = SimpleNamespace(environment=environment, settings=settings)
    return reopening.is_closed(cast("Session", session))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def test_a_port_that_refuses_or_hangs_up_is_closed(tmp_path: Path) -> None:
    with serving(banner) as ssh, serving(hang_up) as docker:
        assert is_closed(tmp_path, ssh.port, free_port())
        assert is_closed(tmp_path, ssh.port, docker.port)


def test_a_port_without_tls_is_no_open_api(tmp_path: Path) -> None:
    with serving(banner) as ssh, serving(over_plain()) as docker:
        assert is_closed(tmp_path, ssh.port, docker.port)


def test_a_port_with_tls_is_open(tmp_path: Path, tls: Handler) -> None:
    with serving(banner) as ssh, serving(tls) as docker:
        assert not is_closed(tmp_path, ssh.port, docker.port)


def test_a_port_that_does_not_say_is_not_called_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reopening, "_TIMEOUT", 0.2)
    with serving(banner) as ssh, serving(say_nothing) as docker:
        assert not is_closed(tmp_path, ssh.port, docker.port)


def test_a_machine_that_is_not_up_has_closed_nothing(tmp_path: Path) -> None:
    with serving(hang_up) as ssh:
        assert not is_closed(tmp_path, ssh.port, free_port())
    assert not is_closed(tmp_path, free_port(), free_port())


def test_without_a_deployment_there_is_nothing_to_open(tmp_path: Path) -> None:
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    session = cast("Session", SimpleNamespace(environment=environment))
    assert not reopening.is_closed(session)
    assert reopening.closed_nodes(session) == []


def test_of_the_nodes_of_a_swarm_those_that_have_closed_it_are_told(
    tmp_path: Path, tls: Handler
) -> None:
    with serving(banner) as ssh, serving(tls) as docker:
        # Of one node the API answers; of another, at another address, nothing listens there.
        nodes = {
            name: {"public_ip": address, "private_ip": "", "instance_id": "", "ssh": ""}
            for name, address in (("manager-1", "127.0.0.1"), ("gone-1", "127.0.0.2"))
        }
        environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
        file = outputs_file(environment)
        file.parent.mkdir(parents=True)
        aws = {"public_ip": "", "docker_host": "", "ssh": "", "nodes": nodes}
        file.write_text(json.dumps({"aws": aws}))

        def closed(api: int) -> list[str]:
            ports = SimpleNamespace(
                ssh=SimpleNamespace(port=ssh.port), docker_api=SimpleNamespace(port=api)
            )
            settings = SimpleNamespace(aws=ports)
            session = SimpleNamespace(environment=environment, settings=settings)
            return reopening.closed_nodes(cast("Session", session))

        assert closed(docker.port) == []
        assert closed(free_port()) == ["manager-1"]


def test_the_steps_that_open_an_api_are_one_machines_or_some_nodes(tmp_path: Path) -> None:
    paths = ("DockerApi", "Nodes/web-1/DockerApi", "Nodes/web-2/DockerApi", "Swarm/Nodes/web-1")
    steps = {
        path.replace("/", "_"): {"//": {"metadata": {"path": f"aws/{path}/Resource"}}}
        for path in paths
    }
    document = {"resource": {"terraform_data": steps}}
    (tmp_path / CONFIGURATION).write_text(json.dumps(document), encoding="utf-8")
    stack = Stack(name="aws", folder=tmp_path)
    assert reopening.steps(stack) == ["terraform_data.DockerApi"]
    assert reopening.steps(stack, ["web-2"]) == ["terraform_data.Nodes_web-2_DockerApi"]
