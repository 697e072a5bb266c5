"""`moor run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moor.options import (
    Folder,
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
    ("moor run app ./manage.py migrate", "one command, in a container of its own"),
    ("moor run --env DEBUG=1 app sh", "a shell, with one more variable"),
    ("moor run job", "what the service itself runs"),
    ("moor run --entrypoint sh db", "a shell, where the image has a program of its own"),
)

_Words = Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]...", show_default=False)]
_EntryPoint = Annotated[
    str,
    typer.Option(
        "--entrypoint",
        metavar="PROGRAM",
        help="The program that gets COMMAND, instead of the image's or the service's own.",
        show_default=False,
    ),
]


def run(
    session: Session,
    service: Service,
    command: _Words = None,
    *,
    entry_point: _EntryPoint = "",
    user: User = "",
    folder: Folder = "",
    variables: Variables = None,
    no_terminal: NoTerminal = False,
) -> int:
    """Run a command in one more container of a service, and end with its exit status.

    The container has the image, variables, volumes and networks of the service's own, but no ports
    and no restart policy, and is removed when it has ended. Signals are handed on to it; a second
    Ctrl-C kills it. What is piped in reaches it on one machine only: in a swarm a terminal's does.
    """
    from moor.operation import enter, terminal  # noqa: PLC0415  # heavy

    call = enter.Call(
        words=command_line(command),
        entry_point=entry_point,
        user=user,
        folder=folder,
        variables=variables or (),
        has_terminal=terminal.is_terminal() and not no_terminal,
    )
    return enter.run(session, service, call)
