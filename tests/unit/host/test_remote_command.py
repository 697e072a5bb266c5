"""One command on a machine: by a stand-in for ssh what is told, by a real sshd what is reached."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from ssh_server import HOST, SSHD, sshd

from constructs_lib.host import remote_command
from constructs_lib.host.host_key import Machine, learn
from constructs_lib.host.remote_command import RemoteCommandError
from constructs_lib.host.ssh_access import SshAccess

if TYPE_CHECKING:
    from pathlib import Path

MORE_THAN_SSHD_TRIES = 7


@pytest.fixture
def ssh(tmp_path: Path) -> list[str]:
    """Return the words that reach a machine whose commands run here."""
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n', encoding="utf-8")
    program.chmod(0o755)
    return [str(program), "-p", "22", "core@192.0.2.1"]


def test_a_command_gets_what_it_reads_and_tells_what_it_prints(ssh: list[str]) -> None:
    assert remote_command.run(ssh, "cat; echo", seconds=9, given=b"hello") == b"hello\n"


@pytest.mark.parametrize(
    ("command", "text", "is_reached"),
    [
        (
            "echo one >&2; echo two >&2; exit 3",
            "`echo one >&2; echo two >&2; exit 3` must succeed, got status 3:\n  one\n  two",
            True,
        ),
        ("exit 1", "`exit 1` must succeed, got status 1", True),
        (
            f"# {'long' * 20}\nexit 4",
            f"`# {'long' * 13}lon...` must succeed, got status 4",
            True,
        ),
        (
            "echo WARNING >&2; echo refused >&2; exit 255",
            "must be reached over SSH, got: refused",
            False,
        ),
        ("exit 255", "must be reached over SSH, got: no reason", False),
        ("exec sleep 60", "`exec sleep 60` must end within 0 s, got no end", False),
    ],
)
def test_what_did_not_go_well_is_told(
    ssh: list[str], command: str, text: str, *, is_reached: bool
) -> None:
    with pytest.raises(RemoteCommandError, match=f"^{re.escape(text)}$") as caught:
        remote_command.run(ssh, command, seconds=0.4 if "sleep" in command else 9)
    assert caught.value.is_reached is is_reached


def test_a_missing_client_of_openssh_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    text = "must be reached over SSH, got no program `ssh`; install OpenSSH's client"
    with pytest.raises(RemoteCommandError, match=f"^{re.escape(text)}$"):
        remote_command.run(["ssh", "core@192.0.2.1"], "true", seconds=9)


@pytest.mark.skipif(SSHD is None, reason="needs sshd")
def test_an_agent_that_holds_many_keys_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An sshd hangs up after six keys that it does not know, and an agent's come first."""
    agent = tmp_path / "agent"
    with (
        sshd(tmp_path / "machine") as server,
        subprocess.Popen(["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.PIPE) as process,
    ):
        try:
            assert process.stdout is not None
            process.stdout.readline()
            monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
            for number in range(MORE_THAN_SSHD_TRIES):
                other = str(tmp_path / f"key-{number}")
                subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", other], check=True)
                subprocess.run(["ssh-add", "-q", other], check=True)
            key = tmp_path / "client"
            shutil.copy(server.client_key, key)
            hosts = tmp_path / "hosts"
            learn(
                Machine(id="i-1", address=HOST, port=server.port, hosts=hosts),
                console=lambda: server.console,
            )
            access = SshAccess(
                user=server.user, port=server.port, private_key_file=key, hosts=hosts
            )
            words = shlex.split(access.command("i-1", HOST))
            assert remote_command.run(words, "echo here", seconds=20) == b"here\n"
            offering = [word.replace("IdentitiesOnly=yes", "IdentitiesOnly=no") for word in words]
            with pytest.raises(RemoteCommandError, match="Too many authentication failures"):
                remote_command.run(offering, "echo here", seconds=20)
        finally:
            process.terminate()
