"""`moor host`: machines, replaced or rebooted one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from constructs_lib.settings.nodes import FIRST, nodes_of
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

app = typer.Typer(no_args_is_help=True, help="Replace or reboot machines.")

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
_Image = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="newest|ID",
        help="The machine image; what the settings find by default.",
        show_default=False,
    ),
]
_Type = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="The instance type; that of the settings by default.",
        show_default=False,
    ),
]
_All = Annotated[bool, typer.Option("--all", help="All nodes of the swarm.")]


@app.command(name="replace")
@command
def replace(
    session: Session,
    nodes: _SomeNodes = None,
    *,
    image: _Image = None,
    instance_type: _Type = None,
    at_once: _AtOnce = 1,
    even_without_quorum: _Despite = None,
    lose_volumes: _LoseVolumes = False,
    approve: Approve = False,
    verbose: Verbose = False,
) -> None:
    """Make another machine, with the same address and the data volume.

    The one machine is shut down, and what ran on it starts again on the new one: the services are
    away for about a minute. In a swarm the nodes are replaced one at a time, while the others do
    the work: tasks move away, the node leaves the swarm, joins again, and gets tasks again.
    Workers come first, and the manager that leads last.

    The only manager stays in the swarm, which goes to the new machine with its data volume.

    What is on a machine's own disk is lost. Whatever fails, `up` goes on from there.
    """
    from moor import available, replacement  # noqa: PLC0415  # heavy
    from moor.swarm import host_work, impact  # noqa: PLC0415  # heavy

    names = nodes or []
    if not session.settings.is_swarm:
        names = names or [FIRST]
    elif not names:
        raise WrongUseError("host replace: must be told the nodes in a swarm, got none")
    ami = replacement.checked_image(image, session, names)
    kind = replacement.checked_type(instance_type)
    screen = session.screen(verbose=verbose)
    with (
        deployment_lock.held(session.environment, screen.say) as lock,
        deploying(session, screen, lock) as deployment,
    ):
        must_be_attended(session, approve=approve)
        available.check(session, names, image=ami, instance_type=kind)
        stack, upkeep = deployment.stacks[0], deployment.upkeep
        machines = (
            stack.addresses(lambda path: path == "Machine/Resource")
            if upkeep is None
            else [address for name in names for address in impact.machine(stack, name)]
        )
        replacement.ask_for(stack, machines, image=ami, instance_type=kind)
        if upkeep is None:
            replacement.replace(deployment, names, approve=approve, lose_volumes=lose_volumes)
        else:
            host_work.replace(
                deployment,
                names,
                approve=approve,
                at_once=at_once,
                even_without_quorum=even_without_quorum or (),
                lose_volumes=lose_volumes,
                kept=[node.name for node in nodes_of(session.settings) if node.data_volume],
            )
    if told := replacement.told_of_type(session, kind, names):
        session.console.print(told, style="yellow", soft_wrap=True)
    # One machine alone has no name that anybody types.
    done = ", ".join(names) if upkeep is not None else "the machine"
    _summary(session, upkeep, f"replaced: {done}")


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
