"""`moor doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor import exposure
from moor.failure import WrongUseError
from moor.options import Json  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

_Security = Annotated[
    bool, typer.Option("--security", help="What is open, to whom, why, and what needs a look.")
]


def run(session: Session, *, security: _Security = False, as_json: Json = False) -> None:
    """Look an environment through, without asking the network.

    With --security: each port that is open, to whom, and who answers; services that could take
    the machine over; files that others can read. Nothing has to be deployed.
    """
    if not security:
        raise WrongUseError("doctor: must be told what to look at, got nothing; --security")
    found = exposure.examine(session.environment, session.settings, session.services)
    if as_json:
        typer.echo(json.dumps(exposure.as_json(found), indent=2))
    else:
        exposure.show(found, session.console)
