"""Whether a machine has booted anew: what it says of its boot is another thing then."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Final

from constructs_lib.host import remote_command
from constructs_lib.host.remote_command import RemoteCommandError
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from moor.outputs import Node

PATIENCE_SECONDS: Final = 600.0
"""How long a machine may take to be back. A large one of real metal takes minutes."""

_COMMAND: Final = "cat /proc/sys/kernel/random/boot_id && cut -d' ' -f22 /proc/1/stat"
"""The boot's id, and when the first process began: a machine of the sandbox shares the former."""

_ANSWER_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 1.0


def mark_of(node: Node) -> str:
    """Return what a machine says of its present boot; empty where it does not answer.

    Args:
        node: The machine.
    """
    try:
        told = remote_command.run(
            shlex.split(node.ssh), _COMMAND, seconds=_ANSWER_SECONDS, connect_seconds=5
        )
    except RemoteCommandError:
        return ""
    return " ".join(told.decode(errors="replace").split())


def wait(
    node: Node,
    before: str,
    *,
    name: str,
    patience_seconds: float = PATIENCE_SECONDS,
    look: Callable[[Node], str] = mark_of,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a machine has booted anew.

    Args:
        node: The machine.
        before: What it said before.
        name: The node's name.
        patience_seconds: How long to wait.
        look: Asks it.
        clock: Tells the time in seconds.
        sleep: Waits some seconds.

    Raises:
        CommandError: It has not in time.
    """
    begin = clock()
    while True:
        said = look(node)
        if said and said != before:
            return
        if clock() - begin >= patience_seconds:
            got = "no answer over SSH" if not said else "the boot that was there before"
            raise CommandError(
                f"node {name}: must have rebooted within {patience_seconds:.0f} s, got {got}; look "
                f"at its console in AWS, or replace it: `moor host replace {name}`"
            )
        sleep(_PAUSE_SECONDS)
