"""`moor port-forward`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from moor.options import Node, Service  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ("moor port-forward db 5432", "localhost:5432 is the database's port 5432"),
    ("moor port-forward db 15432:5432", "another port here"),
    ("moor port-forward --node web-2 agent 0:9100", "a free port, and a node's own container"),
)

_Ports = Annotated[
    str,
    typer.Argument(
        metavar="[LOCAL:]REMOTE",
        help="The port of this computer, by default the same, and the container's.",
        show_default=False,
    ),
]


def run(session: Session, service: Service, ports: _Ports, *, node: Node = None) -> None:
    """Let a port of this computer lead to a service's, through SSH, until Ctrl-C.

    It takes no opened port but SSH's, and reaches also what a service does not publish. A
    connection that breaks, or a container that is made anew, is followed.
    """
    from moor.operation import forward  # noqa: PLC0415  # heavy

    def say(line: str) -> None:
        typer.echo(line)

    # Ctrl-C is how it ends.
    with contextlib.suppress(KeyboardInterrupt):
        forward.forward(session, service, forward.Ports.read(ports), node=node, say=say)
