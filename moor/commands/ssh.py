"""`moor ssh`."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from moor import typed
from moor.failure import CommandError
from moor.options import complete_node
from moor.outputs import Outputs

if TYPE_CHECKING:
    from moor.session import Session

_Node = Annotated[
    str | None,
    typer.Argument(
        metavar="[NODE]",
        help="A node of a swarm; without it the first manager.",
        autocompletion=complete_node,
        show_default=False,
    ),
]


def run(session: Session, node: _Node = None) -> None:
    """Open a shell on the machine, or on a node of a swarm."""
    outputs = Outputs.load(session.environment)
    command = shlex.split(outputs.ssh if node is None else outputs.node(node).ssh)
    if "StrictHostKeyChecking=yes" not in command:
        raise CommandError(
            "ssh: the machine's host keys must be known, got a deployment of the version before, "
            f"which did not ask for them; run {typed.command(session.environment, 'up')} first"
        )
    program = shutil.which(command[0])
    if program is None:
        raise CommandError("ssh: must be installed for this command, got nothing of that name")
    os.execv(program, command)
