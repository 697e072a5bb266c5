"""The machines that a deployment has told of, and how each is reached."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError, WrongUseError
from moor.operation import copy, ssh
from moor.operation.hosts import host_of, hosts, is_swarm, must_be_known

if TYPE_CHECKING:
    from pathlib import Path

SSH = (
    "ssh -p 2222 -i /env/id -o UserKnownHostsFile=/env/hosts/i-1/known_hosts -o HostKeyAlias=i-1 "
    "-o StrictHostKeyChecking=yes core@192.0.2.7"
)
ALONE = {"public_ip": "192.0.2.7", "docker_host": "tcp://192.0.2.7:2376", "ssh": SSH}


def node(number: int) -> dict[str, str]:
    return {
        "public_ip": f"192.0.2.{number}",
        "private_ip": f"10.0.0.{number}",
        "instance_id": f"i-{number}",
        "ssh": SSH.replace("192.0.2.7", f"192.0.2.{number}").replace("i-1", f"i-{number}"),
    }


SWARM = {**ALONE, "nodes": {"a-1": node(8), "manager-1": node(7), "web-1": node(9)}}


def deployed(tmp_path: Path, aws: dict[str, Any]) -> Environment:
    environment = Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)
    environment.directory.mkdir(parents=True, exist_ok=True)
    (environment.directory / "outputs.json").write_text(json.dumps({"aws": aws}))
    return environment


def test_one_machine_alone_has_no_name_of_its_own(tmp_path: Path) -> None:
    environment = deployed(tmp_path, ALONE)
    (alone,) = hosts(environment)
    assert (alone.name, alone.address, alone.port, alone.instance_id) == (
        *("machine", "192.0.2.7", 2376, "i-1"),
    )
    assert alone.docker_host == "tcp://192.0.2.7:2376"
    assert alone.certificates == (environment.certificates, environment.pki / "next")
    assert not is_swarm((alone,))
    assert host_of(environment, None) == alone
    with pytest.raises(WrongUseError, match="must be left out where there is one machine alone"):
        host_of(environment, "web-1")


def test_the_first_manager_stands_in_front_whatever_the_pools_are_called(tmp_path: Path) -> None:
    environment = deployed(tmp_path, SWARM)
    assert [host.name for host in hosts(environment)] == ["manager-1", "a-1", "web-1"]
    assert is_swarm(hosts(environment))
    assert host_of(environment, None).name == "manager-1"
    assert host_of(environment, "web-1").address == "192.0.2.9"
    with pytest.raises(WrongUseError, match=r"got 'web-2'; did you mean web-1\?"):
        host_of(environment, "web-2")


def test_nothing_is_deployed(tmp_path: Path) -> None:
    environment = Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)
    with pytest.raises(CommandError, match="environment trial: nothing is deployed; run "):
        hosts(environment)


def test_a_machine_whose_keys_nobody_asks_for_is_not_spoken_to(tmp_path: Path) -> None:
    environment = deployed(tmp_path, {**ALONE, "ssh": "ssh core@192.0.2.7"})
    with pytest.raises(CommandError, match="host keys must be known"):
        must_be_known(environment, host_of(environment, None))
    with pytest.raises(CommandError, match="host keys must be known"):
        copy.words(environment, [":a", "b"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":", ("", "")),
        (":/etc/hosts", ("", "/etc/hosts")),
        ("web-1:data", ("web-1", "data")),
        ("web-1:a:b", ("web-1", "a:b")),
        ("./a:b", None),
        ("/a:b", None),
        ("plain", None),
    ],
)
def test_places(text: str, expected: tuple[str, str] | None) -> None:
    assert copy.place(text) == expected


def test_a_file_that_is_here_is_no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web-1:data").touch()
    assert copy.place("web-1:data") is None


def test_copying_asks_for_the_machines_own_key_as_a_shell_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "program", lambda name: f"/usr/bin/{name}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2:30").touch()
    environment = deployed(tmp_path, SWARM)
    assert copy.words(environment, ["2:30", "web-1:/tmp"], recursive=True) == [
        *("/usr/bin/scp", "-P", "2222", "-i", "/env/id"),
        *("-o", "UserKnownHostsFile=/env/hosts/i-9/known_hosts", "-o", "HostKeyAlias=i-9"),
        *("-o", "StrictHostKeyChecking=yes", "-r", "--", "./2:30", "core@192.0.2.9:/tmp"),
    ]


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["a", "b"], "scp: must have paths of one machine, as :PATH or NODE:PATH, got only paths"),
        (["web-1:a", "a-1:b", "."], "got a-1, web-1"),
        ([":a", ":b"], "scp: must copy to the machine or from it, got both"),
    ],
)
def test_paths_that_cannot_be_copied(tmp_path: Path, paths: list[str], told: str) -> None:
    environment = deployed(tmp_path, SWARM)
    with pytest.raises(WrongUseError, match=told):
        copy.words(environment, paths)


@pytest.mark.parametrize("way", ["ssh", "scp"])
def test_a_machine_that_is_gone_is_told_before_anybody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    words = SSH.replace("192.0.2.7", "127.0.0.1").replace("-p 2222", f"-F none -p {port}")
    environment = deployed(tmp_path, {**ALONE, "ssh": words})
    became: list[str] = []
    monkeypatch.setattr(os, "execv", lambda program, _: became.append(program))

    def enter() -> None:
        if way == "ssh":
            ssh.become(environment, host_of(environment, None), [])
        else:
            copy.become(environment, [":a", "."])

    told = r"must be reached over SSH, got: Connection refused; `.*moor doctor` looks why$"
    with pytest.raises(CommandError, match=rf"^machine \(192.0.2.7\): {told}"):
        enter()
    assert became == []
    # Behind another machine it is for ssh to find.
    beyond = words.replace("-F none", "-F none -o ProxyCommand=/beyond")
    environment = deployed(tmp_path, {**ALONE, "ssh": beyond})
    enter()
    with socket.create_server(("127.0.0.1", port)):
        environment = deployed(tmp_path, {**ALONE, "ssh": words})
        enter()
    assert [program.rpartition("/")[2] for program in became] == [way, way]


def test_a_command_that_fails_there_is_told_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = deployed(tmp_path, ALONE)
    stand_in = tmp_path / "ssh"
    stand_in.write_text('#!/bin/sh\nfor word; do :; done\neval "$word"\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    host = host_of(environment, None)
    assert ssh.output(environment, host, "echo here") == "here\n"
    with pytest.raises(CommandError, match=r"must succeed, got status 3:\n  no$"):
        ssh.output(environment, host, "echo no >&2; exit 3")
    with pytest.raises(
        CommandError,
        match=r"^machine \(192.0.2.7\): must .*, got: gone; `.*moor doctor` looks why$",
    ):
        ssh.output(environment, host, "echo gone >&2; exit 255")
    with pytest.raises(CommandError, match=r"within 0 s, got no end; `.*moor doctor` looks why"):
        ssh.output(environment, host, "exec sleep 5", seconds=0.2)
