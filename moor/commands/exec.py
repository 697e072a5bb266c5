"""`moor exec`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moor.failure import WrongUseError
from moor.options import (
    Folder,
    Node,
    NoTerminal,
    Service,
    User,
    Variables,
    command_line,
)

if TYPE_CHECKING:
    from moor.session import Session

TAKES_A_COMMAND = True
EXAMPLES = (
    ("moor exec web sh", "a shell in a container"),
    ("moor exec db psql -c 'select 1'", "one command; its exit status is handed on"),
    ("moor exec -T db pg_dump app > app.sql", "without a terminal, for a file"),
    ("moor exec --node web-2 agent ps", "in the container on a node of a swarm"),
)

_Words = Annotated[list[str], typer.Argument(metavar="COMMAND...", show_default=False)]
_Index = Annotated[
    int | None,
    typer.Option("--index", min=1, help="Which of several containers.", show_default=False),
]


def run(
    session: Session,
    service: Service,
    command: _Words,
    *,
    node: Node = None,
    index: _Index = None,
    user: User = "",
    folder: Folder = "",
    variables: Variables = None,
    no_terminal: NoTerminal = False,
) -> int:
    """Run a command in a container of a service that runs, and end with its exit status.

    It has a terminal where this command has one. What is piped in reaches it.
    """
    from moor.operation import containers, enter, terminal  # noqa: PLC0415  # heavy

    words = command_line(command)
    if not words:
        raise WrongUseError("exec: must have a command after the service, got none; such as sh")
    placed = containers.choose(session, service, node=node, index=index)
    call = enter.Call(
        words=words,
        user=user,
        folder=folder,
        variables=variables or (),
        has_terminal=terminal.is_terminal() and not no_terminal,
    )
    return enter.execute(session, placed, call)
