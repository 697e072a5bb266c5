"""User data of the Docker host: what it brings, and that its socket fails closed."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.host import user_data
from constructs_lib.host.cloud_config import render
from constructs_lib.host.user_data import docker_host
from constructs_lib.settings.settings import UpdateSettings

if TYPE_CHECKING:
    from constructs_lib.host.machine_config import MachineConfig

SCRIPTS = Path(user_data.__file__).parent / "scripts"


def host(**changes: Any) -> MachineConfig:  # noqa: ANN401 - keywords of the function under test
    arguments = {"docker_port": 2376, "ssh_port": 22, **changes}
    return docker_host(**arguments)


def loaded(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - the same
    data = yaml.safe_load(render(host(**changes)))
    assert isinstance(data, dict)
    return data


def unit(data: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (u for u in data["coreos"]["units"] if u["name"] == name)
    assert isinstance(found, dict)
    return found


def test_the_probe_and_the_engines_configuration_are_the_only_files() -> None:
    """No authority and no certificate: another one must not replace the machine."""
    probe, engine = loaded()["write_files"]
    assert probe["path"] == "/etc/docker/refuse-strangers.sh"
    assert engine == {
        "path": "/etc/docker/daemon.json",
        "permissions": "0644",
        "owner": "root",
        "content": '{"live-restore": true}\n',
    }
    assert "CERTIFICATE" not in render(host())


@pytest.mark.parametrize("updates", [None, UpdateSettings()])
def test_a_machine_of_a_swarm_never_reboots_by_itself_and_keeps_no_containers_alone(
    updates: UpdateSettings | None,
) -> None:
    plain = {f["path"]: f["content"] for f in loaded()["write_files"]}
    files = {f["path"]: f["content"] for f in loaded(swarm=True, updates=updates)["write_files"]}
    assert files == {
        **plain,
        # dockerd refuses `true` in swarm mode.
        "/etc/docker/daemon.json": '{"live-restore": false}\n',
        "/etc/flatcar/update.conf": "REBOOT_STRATEGY=off\n",
    }


def test_the_socket_fails_closed() -> None:
    socket = unit(loaded(docker_port=12376), "docker-tls-tcp.socket")
    # Not enabled and not started: the script does both when TLS is proved.
    assert set(socket) == {"name", "content"}
    assert (
        socket["content"]
        == """\
[Unit]
Description=Docker API over mutual TLS
# Closed unless everything that TLS needs is there.
ConditionFileNotEmpty=/etc/docker/clients.pem
ConditionPathExists=/etc/docker/server.pem
ConditionPathExists=/etc/docker/server-key.pem
ConditionPathExists=/etc/systemd/system/docker.service.d/10-tls-verify.conf
ConditionFileNotEmpty=/etc/docker/refuse-strangers.sh
ConditionFileNotEmpty=/etc/docker/tls.env

[Socket]
ListenStream=12376
BindIPv6Only=both
Service=docker.service

[Install]
WantedBy=sockets.target
"""
    )


def test_the_condition_names_the_drop_in_that_is_written() -> None:
    data = loaded()
    docker = unit(data, "docker.service")
    (drop_in,) = docker["drop_ins"]
    path = f"/etc/systemd/system/docker.service.d/{drop_in['name']}"
    assert f"ConditionPathExists={path}\n" in unit(data, "docker-tls-tcp.socket")["content"]


def test_docker_is_enabled_and_guarded() -> None:
    docker = unit(loaded(), "docker.service")
    assert docker["enable"] is True
    # The unit itself is the system's, and no option here adds a listener.
    assert set(docker) == {"name", "enable", "drop_ins"}
    (drop_in,) = docker["drop_ins"]
    assert drop_in["name"] == "10-tls-verify.conf"
    assert "EnvironmentFile=-/etc/docker/tls.env\n" in drop_in["content"]
    assert "-H" not in drop_in["content"].split()
    assert "ExecStart=" not in drop_in["content"]


GUARD_CASES = [
    # What systemctl says of the socket; what DOCKER_OPTS says; may dockerd start?
    ("inactive", None, True),
    ("inactive", "--tlsverify", True),
    ("active", "--tlsverify --tlscacert=/etc/docker/ca.pem", True),
    ("active", "--bip=10.0.0.1/24 --tlsverify", True),
    # The options count first: whatever the socket does, they are enough.
    ("failed", "--tlsverify", True),
    ("", "--tlsverify", True),
    ("active", None, False),
    ("active", "", False),
    ("active", "--tls", False),
    ("active", "--tlsverify=false", False),
    ("active", "--no-tlsverify", False),
    # The last one wins.
    ("active", "--tlsverify --tlsverify=false", False),
    ("active", "--tlsverify=false --tlsverify", False),
    ("active", "--tlsverify --tls=false", False),
    ("active", "--label=--tlsverify", False),
    ("active", "*", False),
    # Nothing but this one word lets it start without.
    ("failed", None, False),
    ("activating", None, False),
    ("unknown", None, False),
    ("", None, False),
]


@pytest.mark.parametrize(("state", "options", "starts"), GUARD_CASES)
def test_the_guard_of_docker_service(
    tmp_path: Path, *, state: str, options: str | None, starts: bool
) -> None:
    (drop_in,) = unit(loaded(), "docker.service")["drop_ins"]
    # What systemd does to the line: it joins it, takes the quotes off and halves `$$`.
    line = drop_in["content"].replace("\\\n", " ").split("ExecStartPre=/bin/sh -c '")[1]
    program = line.splitlines()[0].rstrip().removesuffix("'").replace("$$", "$")
    assert "'" not in program
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "is-active docker-tls-tcp.socket" ] || exit 99\n'
        # Where systemd cannot be asked, nothing is printed but to standard error.
        f"[ -z '{state}' ] || echo '{state}'\n"
        f"exit {0 if state == 'active' else 3}\n"
    )
    systemctl.chmod(0o755)
    environment = {"PATH": str(tmp_path)}
    if options is not None:
        environment["DOCKER_OPTS"] = options
    done = subprocess.run(
        ["/bin/sh", "-c", program], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == (0 if starts else 1)
    assert done.stderr == (
        ""
        if starts
        else "docker-tls-tcp.socket must be inactive where DOCKER_OPTS lacks --tlsverify, got "
        f"{state}\n"
    )


def test_the_guard_takes_no_missing_systemctl_for_an_answer(tmp_path: Path) -> None:
    (drop_in,) = unit(loaded(), "docker.service")["drop_ins"]
    line = drop_in["content"].replace("\\\n", " ").split("ExecStartPre=/bin/sh -c '")[1]
    program = line.splitlines()[0].rstrip().removesuffix("'").replace("$$", "$")
    done = subprocess.run(
        ["/bin/sh", "-c", program], env={"PATH": str(tmp_path)}, check=False, capture_output=True
    )
    assert done.returncode == 1


def test_each_start_of_docker_is_proved() -> None:
    data = loaded(docker_port=12376)
    (drop_in,) = unit(data, "docker.service")["drop_ins"]
    assert drop_in["content"].splitlines()[-1] == (
        "ExecStartPost=/bin/bash /etc/docker/refuse-strangers.sh 12376"
    )
    (probe,) = (f for f in data["write_files"] if f["path"] == "/etc/docker/refuse-strangers.sh")
    assert probe["content"] == (SCRIPTS / "refuse-strangers.sh").read_text()
    condition = "ConditionFileNotEmpty=/etc/docker/refuse-strangers.sh\n"
    assert condition in unit(data, "docker-tls-tcp.socket")["content"]


def test_whatever_starts_docker_opens_the_port_first() -> None:
    (drop_in,) = unit(loaded(), "docker.service")["drop_ins"]
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(drop_in["content"])
    # Not Requires=: without its certificates the socket does not start, and Docker must.
    assert dict(parser["Unit"]) == {"Wants": "docker-tls-tcp.socket"}


def test_port_22_needs_no_drop_in() -> None:
    names = [u["name"] for u in loaded(ssh_port=22)["coreos"]["units"]]
    assert names == ["docker-tls-tcp.socket", "docker.service"]


def test_another_ssh_port_replaces_port_22() -> None:
    assert unit(loaded(ssh_port=2222), "sshd.socket") == {
        "name": "sshd.socket",
        "command": "restart",
        "drop_ins": [
            {"name": "10-port.conf", "content": "[Socket]\nListenStream=\nListenStream=2222\n"}
        ],
    }


@dataclass(frozen=True)
class OwnUpdates:
    """What has the settings' form is good enough."""

    reboot_strategy: str
    window_start: str | None = None
    window_length: str | None = None


@pytest.mark.parametrize(
    ("updates", "content"),
    [
        (UpdateSettings(), "REBOOT_STRATEGY=reboot\n"),
        (OwnUpdates(reboot_strategy="off"), "REBOOT_STRATEGY=off\n"),
        (
            UpdateSettings(
                reboot_strategy="etcd-lock", window_start="Sun 04:00", window_length="2h"
            ),
            (
                "REBOOT_STRATEGY=etcd-lock\n"
                'LOCKSMITHD_REBOOT_WINDOW_START="Sun 04:00"\n'
                'LOCKSMITHD_REBOOT_WINDOW_LENGTH="2h"\n'
            ),
        ),
    ],
)
def test_the_update_strategy(updates: UpdateSettings | OwnUpdates, content: str) -> None:
    files = {f["path"]: f["content"] for f in loaded(updates=updates)["write_files"]}
    assert files["/etc/flatcar/update.conf"] == content


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_any_two_ports(docker_port: int, ssh_port: int) -> None:
    if docker_port == ssh_port:
        return
    data = loaded(docker_port=docker_port, ssh_port=ssh_port)
    parser = configparser.ConfigParser(strict=False)
    parser.read_string(unit(data, "docker-tls-tcp.socket")["content"])
    assert parser["Socket"]["ListenStream"] == str(docker_port)


def test_it_leaves_room_for_more() -> None:
    updates = UpdateSettings(window_start="Sun 04:00", window_length="1h30m")
    text = render(host(docker_port=65534, ssh_port=65535, updates=updates))
    assert len(text) < 8192
    assert "PRIVATE KEY" not in text
    assert "drop-ins" not in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    config = host(ssh_port=2222)
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/bin/true $DOCKER_OPTS\n")
    (tmp_path / "sshd@.service").write_text("[Service]\nExecStart=/bin/true\n")
    (tmp_path / "sshd.socket").write_text("[Socket]\nListenStream=22\nAccept=yes\n")
    for one in config.units:
        if one.content:
            (tmp_path / one.name).write_text(one.content)
        for drop_in in one.drop_ins:
            folder = tmp_path / f"{one.name}.d"
            folder.mkdir()
            (folder / drop_in.name).write_text(drop_in.content)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / u.name) for u in config.units)],
        check=False,
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
    )
    assert [line for line in done.stderr.splitlines() if str(tmp_path) in line] == []


# What is refused


@pytest.mark.parametrize("field", ["docker_port", "ssh_port"])
@pytest.mark.parametrize("port", [0, -1, 65536, 70000])
def test_fails_when_a_port_is_out_of_range(field: str, port: int) -> None:
    with pytest.raises(ValueError, match="port") as error:
        loaded(**{field: port})
    assert str(error.value) == f"docker host: {field}: must be in 1..65535, got {port}"


def test_fails_when_both_ports_are_the_same() -> None:
    with pytest.raises(ValueError, match="differ") as error:
        loaded(docker_port=2222, ssh_port=2222)
    assert str(error.value) == (
        "docker host: docker_port and ssh_port: must differ, got 2222 for both"
    )
