"""SSH to a machine of the environment, and to no other: it is known by its host key.

OpenSSH does it, as everywhere here. A person's shell has that person's settings of OpenSSH, with
jump hosts; what nobody is asked about goes as a deployment does, by the machine's words alone.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Final

from constructs_lib.host import remote_command
from constructs_lib.host.remote_command import RemoteCommandError
from moor import typed
from moor.failure import CommandError
from moor.operation.hosts import must_be_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host

_PATIENCE_SECONDS: Final = 10


def program(name: str) -> str:
    """Return the path of a program of OpenSSH.

    Args:
        name: `ssh` or `scp`.

    Raises:
        CommandError: It is not there.
    """
    found = shutil.which(name)
    if found is None:
        raise CommandError(
            f"{name}: must be installed for this command, got nothing of that name; install "
            "OpenSSH's client"
        )
    return found


def words(environment: Environment, host: Host, *options: str) -> list[str]:
    """Return the words of the command that opens a shell.

    Args:
        environment: The environment.
        host: The machine.
        options: Further options of ssh.

    Raises:
        CommandError: ssh is not there, or the machine's host keys are not known.
    """
    must_be_known(environment, host)
    return [program("ssh"), *options, *host.ssh[1:]]


def must_be_there(environment: Environment, host: Host) -> None:
    """Refuse a machine that nothing is heard of: ssh alone would wait for it for minutes.

    What is reached by way of another machine, as the user's settings of OpenSSH may say, is left
    to ssh.

    Args:
        environment: The environment.
        host: The machine.

    Raises:
        CommandError: Nothing takes a connection there.
    """
    asked = [program("ssh"), "-G", *host.ssh[1:]]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    settings = dict(line.split(None, 1) for line in told.splitlines() if " " in line)
    ways = {settings.get("proxyjump", "none"), settings.get("proxycommand", "none")}
    if ways != {"none"} or not settings:
        return
    try:
        place = settings["hostname"], int(settings["port"])
        socket.create_connection(place, timeout=_PATIENCE_SECONDS).close()
    except OSError as error:
        got = "silence" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise CommandError(
            f"{host}: must be reached over SSH, got: {got}; "
            f"`{typed.program(environment, 'doctor')}` looks why"
        ) from None


def become(environment: Environment, host: Host, command: Sequence[str]) -> None:
    """Become a shell on a machine, or a command there; this process is another one then.

    Args:
        environment: The environment.
        host: The machine.
        command: The command's words, as they are to reach it; none for a shell.

    Raises:
        CommandError: ssh or the machine is not there, or the machine's host keys are not known.
    """
    # ssh hands one text to a shell there. Words that were typed apart stay apart, and one word
    # alone is for that shell, as it is for ssh itself.
    text = command[0] if len(command) == 1 else shlex.join(command)
    whole = words(environment, host)
    must_be_there(environment, host)
    os.execv(whole[0], ["ssh", *whole[1:], *([text] if command else [])])


def output(
    environment: Environment,
    host: Host,
    command: str,
    *,
    seconds: float = 30.0,
    given: bytes = b"",
) -> str:
    """Run a command on a machine, with nobody there to be asked, and return what it prints.

    Args:
        environment: The environment.
        host: The machine.
        command: The command, for a shell there.
        seconds: How long it may take.
        given: What it reads on its standard input.

    Raises:
        CommandError: The machine is not reached, or the command fails.
    """
    must_be_known(environment, host)
    try:
        told = remote_command.run(host.ssh, command, seconds=seconds, given=given)
    except RemoteCommandError as error:
        doctor = typed.program(environment, "doctor")
        remedy = "" if error.is_reached else f"; `{doctor}` looks why"
        raise CommandError(f"{host}: {error}{remedy}") from None
    return told.decode(errors="replace")


def copying(host: Host) -> list[str]:
    """Return the options of scp that lead to a machine, and what stands in front of a path there.

    Args:
        host: The machine.
    """
    *options, target = host.ssh[1:]
    # The one option that scp spells otherwise.
    return [*("-P" if word == "-p" else word for word in options), target]
