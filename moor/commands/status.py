"""`moor status`."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from moor.failure import CommandError
from moor.options import Json  # noqa: TC001  (read at run time)
from moor.screen import make_console

if TYPE_CHECKING:
    from moor.session import Session

_Drift = Annotated[
    bool,
    typer.Option(
        "--drift", help="Also ask Terraform what was changed behind its back; takes a plan's time."
    ),
]


def run(session: Session, *, drift: _Drift = False, as_json: Json = False) -> None:
    """Show the machine or the nodes, what should run there and what does, and what is due.

    It ends with status 0 where all is well, and with 1 where something is not.
    """
    from moor.overview import overview, view  # noqa: PLC0415  # heavy

    seen = overview.look(session)
    # Where nobody answers Terraform would ask in vain, and for long.
    if drift and seen.rows is not None:
        from moor.drift import of_stacks  # noqa: PLC0415  # heavy

        screen = make_console(sys.stderr) if as_json else session.console
        seen = replace(seen, plans=of_stacks(session, screen))
    if as_json:
        typer.echo(json.dumps(view.as_json(session, seen), indent=2))
    else:
        session.console.print(view.render(session, seen))
    if seen.problems:
        raise CommandError("\n".join(seen.problems))
