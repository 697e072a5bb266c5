"""`moor history`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from moor.options import Json  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session, *, as_json: Json = False) -> None:
    """Show the deployments on record: when, by whom, and what of the services was new.

    `moor rollback N` goes back to one.
    """
    from moor.history import view  # noqa: PLC0415  # heavy
    from moor.history.store import Store  # noqa: PLC0415  # heavy

    records = Store.of(session).all()
    if as_json:
        typer.echo(json.dumps(view.as_json(records), indent=2))
    else:
        view.show(records, session)
