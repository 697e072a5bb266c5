"""`moor ls`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from moor.options import Json  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session, *, as_json: Json = False) -> int:
    """Show all environments: what is deployed, where, how it is, and since when.

    It ends with status 1 where something that is deployed is not well.
    """
    from moor.overview import environments  # noqa: PLC0415  # heavy

    lines = environments.look(session.environment)
    if as_json:
        typer.echo(json.dumps(environments.as_json(lines), indent=2))
    else:
        environments.show(lines, session.console)
    return 1 if any(line.is_good is False for line in lines) else 0
