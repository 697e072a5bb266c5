"""`moor data`: the volumes that outlive their machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from moor import deployment_lock
from moor.options import Nodes  # noqa: TC001  (read at run time)
from moor.program import command

if TYPE_CHECKING:
    from moor.session import Session

app = typer.Typer(no_args_is_help=True, help="Lose the data volumes that outlive their machines.")


@app.command(name="give-up")
@command
def give_up(session: Session, nodes: Nodes = None) -> None:
    """Delete data volumes with all that is on them. Asks for the environment's name.

    Nothing else deletes one: `down` keeps them, and `up` has them again. The machines must be gone.
    """
    from moor import data_loss  # noqa: PLC0415

    with deployment_lock.held(session.environment, session.screen().say):
        lost = data_loss.give_up(session, nodes or [])
    for volume in lost:
        session.console.print(f"deleted {volume.told}", soft_wrap=True)
