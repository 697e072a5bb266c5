"""`moor unshare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from constructs_lib.identity import people
from constructs_lib.settings.certificates import pki_of
from moor import deployment_lock, typed

if TYPE_CHECKING:
    from moor.session import Session

_Name = Annotated[str, typer.Argument(help="Whose; `moor share` lists them.")]


def run(session: Session, name: _Name) -> None:
    """Take a person's certificate back. The next `moor up` makes the machine refuse it."""
    environment = session.environment
    pki = pki_of(environment, session.settings)
    with deployment_lock.held(environment):
        people.unshare(pki, name, folder=environment.shared / name)
    session.console.print(
        f"{name} is refused from the next deployment on, not before; "
        f"next: {typed.command(environment, 'up')}",
        soft_wrap=True,
    )
