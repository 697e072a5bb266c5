"""`moor ps`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor.options import Json, OnlyServices  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ("moor ps", "all containers"),
    ("moor ps web --json", "those of one service, for a script"),
)

_All = Annotated[bool, typer.Option("--all", "-a", help="Those of `moor run`, too.")]


def run(
    session: Session,
    services: OnlyServices = None,
    *,
    everything: _All = False,
    as_json: Json = False,
) -> None:
    """Show the containers of the services: what they are called, where, and how they are."""
    from moor.operation import containers, listing  # noqa: PLC0415  # heavy

    found = containers.find(session, services or [], one_offs=everything)
    if as_json:
        typer.echo(json.dumps(listing.as_json(found), indent=2))
    else:
        session.console.print(listing.table(found, session.console))
