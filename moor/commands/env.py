"""`moor env`."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import typer

from moor import status
from moor.options import Json  # noqa: TC001  (read at run time)
from moor.outputs import Outputs

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session, *, as_json: Json = False) -> None:
    """Print what a shell needs so that `docker` talks to the machine, or a swarm's manager.

    Use it as `eval "$(moor env)"`.
    """
    variables = status.docker_variables_of(session, Outputs.load(session.environment))
    if as_json:
        typer.echo(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
