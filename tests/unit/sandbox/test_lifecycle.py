"""A sandbox that does not run: what it says, and what it asks for before it starts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, NoReturn

import pytest

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import SandboxSettings
from sandbox import lifecycle
from sandbox.engine import lock, record
from sandbox.engine.processes import ProcessIdentity
from sandbox.errors import SandboxError
from sandbox.lifecycle import Sandbox
from sandbox.parameters import Parameters
from sandbox.status import SandboxStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no engine of this computer be found, used or started."""

    def refuse(**_: object) -> NoReturn:
        raise SandboxError("docker engine: must be running and answer, got none")

    monkeypatch.setattr(lifecycle, "find_engine", refuse)
    for module in (lock, record):
        monkeypatch.setattr(module, "runtime_folder", lambda: tmp_path / "runtime")


def sandbox(
    root: Path, port: int = 4699, report: Callable[[str], None] = lambda _: None
) -> Sandbox:
    settings = SandboxSettings(
        api_port=port,
        addresses=IPv4Network("127.19.0.0/24"),
        subnet=IPv4Network("172.30.19.0/24"),
        registry_port=5019,
    )
    environment = Environment.from_variable(root, {"ENVIRONMENT": "trial"})
    return Sandbox(environment, settings, report, {})


def test_one_that_does_not_run_says_where_it_would_be(tmp_path: Path) -> None:
    assert sandbox(tmp_path).status() == SandboxStatus(
        running=False,
        generation="",
        endpoint_url="http://127.0.0.1:4699",
        registry="172.30.19.1:5019",
    )


def test_stopping_needs_nothing_to_be_there(tmp_path: Path) -> None:
    for _ in range(2):
        sandbox(tmp_path).stop()
    assert not (tmp_path / ".moor" / "trial" / "sandbox").exists()


def test_it_fails_to_start_without_an_engine_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(SandboxError) as caught:
        sandbox(tmp_path, port).start()
    assert str(caught.value) == "docker engine: must be running and answer, got none"
    assert not (tmp_path / ".moor" / "trial" / "sandbox").exists()


def test_a_taken_port_is_told_with_the_file_to_change(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SandboxError) as caught:
            sandbox(tmp_path, port).start()
    assert str(caught.value) == (
        f"environments/trial.yaml: sandbox.api_port: must be free on 127.0.0.1, got {port}, on "
        "which another program listens; choose another port or stop it (Address already in use)"
    )


def test_no_real_account_can_be_reached(tmp_path: Path) -> None:
    variables = sandbox(tmp_path).environment_variables()
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4699"
    file = tmp_path / ".moor" / "trial" / "sandbox" / "credentials"
    assert variables["AWS_SHARED_CREDENTIALS_FILE"] == str(file)
    assert (variables["AWS_PROFILE"], variables["AWS_CONFIG_FILE"]) == ("moor-sandbox", "/dev/null")
    assert {name for name, value in variables.items() if value is None} >= {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ROLE_ARN",
    }


def test_a_taken_port_tells_whose_sandbox_of_this_checkout_has_it(tmp_path: Path) -> None:
    ours = ProcessIdentity.of(os.getpid())
    assert ours is not None
    folder = tmp_path / ".moor" / "other" / "sandbox"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        Parameters(
            environment="other",
            project="0123456789ab",
            engine="unix:///none.sock",
            api_port=port,
            addresses=IPv4Network("127.20.0.0/24"),
            subnet=IPv4Network("172.30.20.0/24"),
            registry_port=5019,
            machine_image="moor-machine:0",
        ).write(folder / "parameters.json")
        (folder / "process.json").write_text(json.dumps(ours.to_json()))
        with pytest.raises(SandboxError, match=r"on which the sandbox of environment 'other' lis"):
            sandbox(tmp_path, port).start()


def test_one_of_an_earlier_version_that_asks_for_no_key_is_ended_and_says_so(
    tmp_path: Path,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / ".moor" / "trial" / "sandbox"
    folder.mkdir(parents=True)
    told: list[str] = []
    ours = sandbox(tmp_path, port, told.append)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        (folder / "process.json").write_text(json.dumps(identity.to_json()))
        Parameters(
            environment="trial",
            project="0123456789ab",
            engine="unix:///none.sock",
            api_port=port,
            addresses=IPv4Network("127.19.0.0/24"),
            subnet=IPv4Network("172.30.19.0/24"),
            registry_port=5019,
            machine_image="moor-machine:0",
        ).write(folder / "parameters.json")
        with pytest.raises(SandboxError, match="must be running and answer"):
            ours.start()
        assert not identity.is_alive()
    assert told == [
        "the sandbox that runs asks for no key, as one of an earlier version: starting it anew"
    ]
