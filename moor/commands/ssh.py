"""`moor ssh`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated

import typer

from moor import typed
from moor.failure import WrongUseError
from moor.options import command_line, complete_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.operation.hosts import Host
    from moor.session import Session

TAKES_A_COMMAND = True
EXAMPLES = (
    ("moor ssh", "a shell on the machine, or on the first manager"),
    ("moor ssh web-2", "a shell on a node of a swarm"),
    ("moor ssh journalctl -u docker -n 50", "one command"),
    ("moor ssh web-2 df -h /", "one command on a node"),
    ("moor ssh 'sudo dmesg | tail'", "one text for the shell there"),
)

_Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NODE] [COMMAND]...",
        help="A node of a swarm, by default the first manager; and what to run there instead of "
        "a shell.",
        autocompletion=complete_node,
        show_default=False,
    ),
]


def run(session: Session, words: _Words = None) -> None:
    """Open a shell on the machine, or on a node of a swarm, or run a command there.

    The machine must be known by its host key: nobody else is spoken to.
    """
    from moor.operation import ssh  # noqa: PLC0415  # a start that is quicker
    from moor.operation.hosts import hosts  # noqa: PLC0415

    host, command = _chosen(hosts(session.environment), words or [])
    ssh.become(session.environment, host, command)


def _chosen(there: Sequence[Host], words: Sequence[str]) -> tuple[Host, Sequence[str]]:
    """Tell the node from the command: the first word is one where it is a node's name."""
    names = {host.name: host for host in there if host.private_address}
    if words and words[0] in names:
        return names[words[0]], command_line(words[1:])
    # One word that is nearly a name is no command of this spelling.
    if len(words) == 1 and difflib.get_close_matches(words[0], names, cutoff=0.7):
        raise WrongUseError(typed.unknown("node", words[0], names))
    return there[0], command_line(words)
