"""The command that opens a shell on the machine: it can be copied, and knows the machine."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from constructs_lib.host.ssh_access import SshAccess
from constructs_lib.terraform.literal import Expression


def access(folder: str) -> SshAccess:
    return SshAccess(
        user="core",
        port=2222,
        private_key_file=Path(folder) / "id_ed25519",
        hosts=Path(folder) / "hosts",
    )


def test_the_command_can_be_copied_from_the_screen() -> None:
    assert access("/env").command("i-1", "192.0.2.7") == (
        "ssh -p 2222 -i /env/id_ed25519 -o UserKnownHostsFile=/env/hosts/i-1/known_hosts "
        "-o HostKeyAlias=i-1 -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes core@192.0.2.7"
    )


@pytest.mark.parametrize("folder", ["/my env", "/it's", "/per%cent"])
def test_a_folder_of_any_name_reaches_ssh_whole(folder: str) -> None:
    words = shlex.split(access(folder).command("i-1", "192.0.2.7"))
    assert words[4] == f"{folder}/id_ed25519"
    # What ssh does to a value: it takes the quotes off, and makes one per cent sign of two.
    value = words[6].removeprefix("UserKnownHostsFile=").strip('"').replace("%%", "%")
    assert value == f"{folder}/hosts/i-1/known_hosts"


def test_terraforms_file_lies_beside_it() -> None:
    assert "".join(access("/env").host_key_file("i-1")) == "/env/hosts/i-1/host_key"


def test_what_terraform_fills_in_is_no_text() -> None:
    machine, host = Expression("${aws_instance.M.id}"), Expression("${aws_eip.A.public_ip}")
    command = access("/my ${env}").command(machine, host)
    assert isinstance(command, Expression)
    assert "HostKeyAlias=${aws_instance.M.id} " in command
    assert command.endswith(" core@${aws_eip.A.public_ip}")
    # And what stands in the folder's name is no expression.
    assert command.count("${aws_") == 3
    assert "/my ${env}" not in command
