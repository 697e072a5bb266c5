"""Small parts of the sandbox."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from sandbox.engine.processes import ProcessIdentity
from sandbox.errors import SandboxError
from sandbox.lifecycle import _check_overlap
from sandbox.machines.gate import _explain
from sandbox.machines.machine import name_servers, plain
from sandbox.names import Owner, Role, project_of
from sandbox.parameters import Parameters

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = Parameters(
    environment="trial",
    project="0123456789ab",
    engine="unix:///run/docker.sock",
    api_port=4699,
    addresses=IPv4Network("127.19.0.0/24"),
    subnet=IPv4Network("172.30.19.0/24"),
    registry_port=5019,
    machine_image="moor-machine:0",
)


def test_parameters_survive_a_file(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    PARAMETERS.write(file)
    assert Parameters.read(file) == PARAMETERS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"subnet": "x"}'])
def test_unusable_parameters_count_as_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(text)
    assert Parameters.read(file) is None


def test_labels_name_the_owner() -> None:
    owner = Owner(environment="trial", project="p")
    assert owner.labels(Role.MACHINE, instance="i-1") == {
        "moor.environment": "trial",
        "moor.project": "p",
        "moor.role": "machine",
        "moor.instance": "i-1",
    }
    assert owner.name("i-1") == "moor-trial-i-1"
    assert owner.filters() == {"label": ["moor.environment=trial", "moor.project=p"]}


def test_another_checkout_is_another_project(tmp_path: Path) -> None:
    assert project_of(tmp_path) == project_of(tmp_path / "x" / "..")
    assert project_of(tmp_path) != project_of(tmp_path / "x")


def test_a_process_is_told_from_one_that_has_its_id_later() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        assert identity.is_alive()
        assert not replace(identity, started=identity.started + 1).is_alive()
        assert ProcessIdentity.from_json(identity.to_json()) == identity
        identity.stop(patience=10)
        assert not identity.is_alive()


def test_a_foreign_process_is_never_stopped() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        replace(identity, started=identity.started + 1).stop(patience=0.1)
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize("data", [None, [], {}, {"pid": "x", "started": 1, "boot": "b"}])
def test_an_unusable_record_is_no_process(data: object) -> None:
    assert ProcessIdentity.from_json(data) is None


def test_console_text_loses_its_colours() -> None:
    assert plain("[\x1b[0;32m  OK  \x1b[0m] Reached\r\n") == "[  OK  ] Reached\n"


def test_name_servers_on_loopback_are_of_no_use_to_a_container(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# x\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\n")
    assert name_servers((str(file),)) == (IPv4Address("192.0.2.53"),)
    assert name_servers((str(tmp_path / "none"),)) == ()


def test_a_taken_port_is_explained() -> None:
    answer = (
        "driver failed programming external connectivity on endpoint x: Error starting "
        "userland proxy: listen tcp4 127.19.0.2:22: bind: address already in use"
    )
    assert _explain(IPv4Address("127.19.0.2"), [22], Exception(answer)) == (
        "127.19.0.2:22: must be free, got a port that another program listens on (perhaps on all "
        "addresses); stop it, or change aws.ssh.port"
    )


def test_an_overlap_is_refused() -> None:
    subnet = IPv4Network("172.30.19.0/24")
    _check_overlap(subnet, "172.30.20.0/24", "network other")
    _check_overlap(subnet, "fd00::/64", "network other")
    _check_overlap(subnet, None, "network other")
    with pytest.raises(SandboxError) as caught:
        _check_overlap(subnet, "172.30.0.0/16", "network other")
    assert str(caught.value) == (
        "sandbox.subnet: must not overlap a network of this computer, got 172.30.19.0/24, which "
        "overlaps 172.30.0.0/16 of network other; choose another"
    )
