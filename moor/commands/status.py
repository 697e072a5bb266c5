"""`moor status`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from moor import status
from moor.failure import CommandError
from moor.health import problems
from moor.options import Json  # noqa: TC001  (read at run time)
from moor.outputs import Outputs

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session, *, as_json: Json = False) -> None:
    """Show the machine or the nodes, what should run there and what does, and how to reach it."""
    outputs = Outputs.load(session.environment)
    rows = status.rows(session, outputs)
    members = status.members_of(session, outputs)
    if as_json:
        typer.echo(json.dumps(status.as_json(outputs, rows, members), indent=2))
    else:
        status.show(session, outputs, rows, session.console, members)
    wrong = list(problems(rows, seconds=0))
    if wrong:
        raise CommandError("\n".join(wrong))
