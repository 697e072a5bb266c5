"""One command on a machine over SSH, with nobody there to be asked.

OpenSSH does it, with the words that a deployment tells of the machine: its own host keys, and the
key that Terraform's steps have, too. The user's agent may hold that key; the user's settings of
OpenSSH are not read, as Terraform's steps do not read them either.

Source: the manual ssh(1), "EXIT STATUS": 255 is an error of ssh, any other that of the command.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOST: Final = 255
_LAST_LINES: Final = 12
_LONGEST: Final = 60


class RemoteCommandError(Exception):
    """The command was not run, or failed; the text tells what of it must be, and what was got.

    Attributes:
        is_reached: Whether the machine was reached: the command itself has failed then.
    """

    def __init__(self, text: str, *, is_reached: bool = False) -> None:
        """Tell what is wrong.

        Args:
            text: What must be, and what was got.
            is_reached: Whether the machine was reached.
        """
        super().__init__(text)
        self.is_reached = is_reached


def run(
    ssh: Sequence[str],
    command: str,
    *,
    seconds: float,
    connect_seconds: int = 10,
    given: bytes = b"",
) -> bytes:
    """Run a command on a machine, and return what it prints.

    Args:
        ssh: The words of the command that opens a shell there.
        command: For a shell there.
        seconds: How long it may take.
        connect_seconds: How long until a connection must stand.
        given: What it reads on its standard input.

    Raises:
        RemoteCommandError: The machine is not reached, or the command fails or does not end.
    """
    program, *words = ssh
    options = ("BatchMode=yes", f"ConnectTimeout={connect_seconds}", "LogLevel=ERROR")
    unattended = [word for option in options for word in ("-o", option)]
    try:
        done = subprocess.run(
            [program, "-F", "none", *unattended, *words, command],
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise RemoteCommandError(
            "must be reached over SSH, got no program `ssh`; install OpenSSH's client"
        ) from None
    except subprocess.TimeoutExpired:
        raise RemoteCommandError(
            f"`{_short(command)}` must end within {seconds:.0f} s, got no end"
        ) from None
    told = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode == _LOST:
        reason = told[-1].strip() if told else "no reason"
        raise RemoteCommandError(f"must be reached over SSH, got: {reason}")
    if done.returncode:
        first = f"`{_short(command)}` must succeed, got status {done.returncode}"
        lines = [f"{first}:", *told[-_LAST_LINES:]] if told else [first]
        raise RemoteCommandError("\n  ".join(lines), is_reached=True)
    return done.stdout


def _short(command: str) -> str:
    line = command.splitlines()[0]
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
