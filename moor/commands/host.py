"""`moor host`: the machines of a swarm, replaced or rebooted one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, typed
from moor.approval import confirm, must_be_attended
from moor.deployment import deploying
from moor.failure import WrongUseError
from moor.options import Approve, Verbose, complete_node
from moor.outputs import Outputs
from moor.program import command

if TYPE_CHECKING:
    from moor.session import Session
    from moor.swarm.upkeep import Upkeep

app = typer.Typer(no_args_is_help=True, help="Replace or reboot the machines of a swarm.")

_Nodes = Annotated[
    list[str],
    typer.Argument(metavar="NODE...", help="The nodes.", autocompletion=complete_node),
]
_SomeNodes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NODE]...", help="The nodes.", autocompletion=complete_node, show_default=False
    ),
]
_AtOnce = Annotated[
    int,
    typer.Option(
        "--at-once", min=1, help="How many workers are replaced together; managers never are."
    ),
]
_Despite = Annotated[
    list[str] | None,
    typer.Option(
        "--even-without-quorum",
        metavar="NODE",
        help="A manager that may go though the others are no majority then.",
        autocompletion=complete_node,
        show_default=False,
    ),
]
_LoseVolumes = Annotated[
    bool,
    typer.Option("--lose-volumes", help="Also nodes that have volumes, which are lost then."),
]
_All = Annotated[bool, typer.Option("--all", help="All nodes of the swarm.")]


@app.command(name="replace")
@command
def replace(
    session: Session,
    nodes: _Nodes,
    *,
    at_once: _AtOnce = 1,
    even_without_quorum: _Despite = None,
    lose_volumes: _LoseVolumes = False,
    approve: Approve = False,
    verbose: Verbose = False,
) -> None:
    """Make other machines for nodes, one at a time, while the others do the work.

    A node's tasks move away, it leaves the swarm, its machine is made anew with the same
    addresses, it joins, and gets tasks again. Workers come first, and the manager that leads last.
    All that is on a machine's disk is lost.
    """
    from moor.swarm import host_work  # noqa: PLC0415  # heavy

    screen = session.screen(verbose=verbose)
    with (
        deployment_lock.held(session.environment, screen.say) as lock,
        deploying(session, screen, lock) as deployment,
    ):
        must_be_attended(session, approve=approve)
        host_work.replace(
            deployment,
            nodes,
            approve=approve,
            at_once=at_once,
            even_without_quorum=even_without_quorum or (),
            lose_volumes=lose_volumes,
        )
        upkeep = deployment.upkeep
    _summary(session, upkeep, f"replaced: {', '.join(nodes)}")


@app.command(name="reboot")
@command
def reboot(
    session: Session, nodes: _SomeNodes = None, *, everyone: _All = False, approve: Approve = False
) -> None:
    """Reboot machines, one at a time, while the others do the work: for updates of the system.

    A node's tasks move away, it reboots, is waited for, and gets tasks again. Workers come first,
    and the manager that leads last.
    """
    from moor.swarm import access, host_work  # noqa: PLC0415  # heavy

    if bool(nodes) == everyone:
        raise WrongUseError("host reboot: must be told the nodes, or --all, got both or neither")
    screen = session.screen()
    outputs = Outputs.load(session.environment)
    must_be_attended(session, approve=approve)
    with deployment_lock.held(session.environment, screen.say):
        upkeep = access.upkeep_of(session, screen)
        if upkeep is None:
            again = typed.program(session.environment, "up --reboot")
            raise WrongUseError(
                f"environment {session.environment.name}: must be a swarm for this command, got "
                f"one machine alone; `{again}` reboots it"
            )
        names = list(outputs.nodes) if everyone else nodes or []
        if not approve and session.settings.sandbox is None:
            confirm(session, f"Reboot {', '.join(names)}?", screen.console)
        try:
            host_work.reboot(session, upkeep, outputs, names)
        finally:
            screen.close()
    _summary(session, upkeep, f"rebooted: {', '.join(names)}")


def _summary(session: Session, upkeep: Upkeep | None, done: str) -> None:
    """Print the nodes as they are now, and what to type next."""
    from moor.swarm import node_view  # noqa: PLC0415  # heavy

    say = session.console.print
    say(f"[green]{done}[/]", soft_wrap=True)
    if upkeep is not None:
        upkeep.look()
        nodes = Outputs.load(session.environment).nodes
        node_view.show(upkeep.members.values(), nodes, session.console)
    say(f"next: {typed.command(session.environment, 'status')}", soft_wrap=True)
