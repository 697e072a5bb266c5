"""`moor swarm`: what to do where a swarm as a whole does not work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, typed
from moor.approval import confirm, must_be_attended
from moor.options import Approve, complete_node
from moor.outputs import Outputs
from moor.program import command

if TYPE_CHECKING:
    from moor.session import Session

app = typer.Typer(no_args_is_help=True, help="Repair a swarm.")

_Survivor = Annotated[
    str | None,
    typer.Option(
        "--survivor",
        metavar="NODE",
        help="The manager to begin with; by default the first one that is left.",
        autocompletion=complete_node,
        show_default=False,
    ),
]
_Lost = Annotated[
    list[str] | None,
    typer.Option(
        "--lost",
        metavar="NODE",
        help="A manager that does not answer and is known to be gone for good.",
        autocompletion=complete_node,
        show_default=False,
    ),
]


@app.callback()
def _group() -> None:
    """Stand for the group: a program with one command alone would have none."""


@app.command(name="recover")
@command
def recover(
    session: Session,
    *,
    survivor: _Survivor = None,
    lost: _Lost = None,
    approve: Approve = False,
) -> None:
    """Begin a swarm anew that has lost the majority of its managers, with one that is left.

    Services, secrets, configs, networks and workers stay. The other managers that are left join it
    again; those that are gone are made by the next `moor up`.
    """
    from moor.swarm import access, node_view, recovering  # noqa: PLC0415  # heavy

    screen = session.screen()
    outputs = Outputs.load(session.environment)
    cluster = access.live_cluster(session, screen.say)
    must_be_attended(session, approve=approve)
    with deployment_lock.held(session.environment, screen.say):
        if not approve and session.settings.sandbox is None:
            confirm(session, "Begin the swarm anew with one manager?", screen.console)
        try:
            with screen.phase("the swarm begins anew"):
                done = recovering.recover(cluster, survivor=survivor, lost=lost or ())
        finally:
            screen.close()
        members = cluster.members()
    say = session.console.print
    say(f"[green]{recovering.summary(done)}[/]", soft_wrap=True)
    node_view.show(members, outputs.nodes, session.console)
    say(
        f"next: {typed.command(session.environment, 'up')}"
        + (f", which makes {', '.join(done.lost)} anew" if done.lost else ""),
        soft_wrap=True,
    )
