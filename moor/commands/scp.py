"""`moor scp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ("moor scp dump.sql :", "to the home folder on the machine"),
    ("moor scp :/etc/os-release .", "from the machine"),
    ("moor scp -r site web-2:/tmp/site", "a folder, to a node of a swarm"),
)

_Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE... TARGET",
        help="`:PATH` is on the machine, or the first manager, and `NODE:PATH` on a node.",
        show_default=False,
    ),
]
_Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Copy folders, too.")]


def run(session: Session, paths: _Paths, *, recursive: _Recursive = False) -> None:
    """Copy files to the machine or a node of a swarm, or from it.

    The machine must be known by its host key: nobody else is spoken to.
    """
    from moor.operation import copy  # noqa: PLC0415  # a start that is quicker

    copy.become(session.environment, paths, recursive=recursive)
