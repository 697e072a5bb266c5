"""Machines of a swarm that are replaced or rebooted one after the other, on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moor import plan_view, typed
from moor.approval import confirm
from moor.failure import CommandError, WrongUseError
from moor.swarm import impact, machines, restart
from moor.swarm.cluster import by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from moor.deployment import Deployment
    from moor.outputs import Outputs
    from moor.session import Session
    from moor.swarm.cluster import Member
    from moor.swarm.upkeep import Upkeep


def replace(
    deployment: Deployment,
    names: Sequence[str],
    *,
    approve: bool,
    at_once: int = 1,
    even_without_quorum: Collection[str] = (),
    lose_volumes: bool = False,
    kept: Collection[str] = (),
) -> None:
    """Make other machines for some nodes: without tasks, out of the swarm, anew, in, and back.

    Args:
        deployment: The deployment, prepared.
        names: The nodes.
        approve: Whether nobody is asked.
        at_once: How many workers are replaced together.
        even_without_quorum: Managers that may go though the others are no majority then.
        lose_volumes: Whether volumes may be lost that services have on these nodes.
        kept: Nodes whose volumes are not lost, since they are on a data volume.

    Raises:
        WrongUseError: There is no swarm, or no such node.
        CommandError: A node cannot be replaced; those before it are done.
        StoppedError: Somebody asked to end.
    """
    upkeep, stack = _upkeep(deployment), deployment.stacks[0]
    upkeep.look()
    known(names, upkeep.wanted)
    known(even_without_quorum, names)
    must_not_have_volumes(
        upkeep.members.values(),
        [name for name in names if name not in kept],
        lose_volumes=lose_volumes,
    )
    addresses = {name: impact.machine(stack, name) for name in names}
    targets = [address for name in names for address in impact.own(stack, name)]
    every = [address for name in names for address in addresses[name]]
    shown = deployment.planned(stack, targets, replaced=every)
    plan_view.show_plans([shown], deployment.screen.console)
    if not approve and deployment.session.settings.sandbox is None:
        confirm(deployment.session, "Replace these?", deployment.screen.console)

    def change(batch: Sequence[str]) -> None:
        deployment.change_only(
            stack,
            [address for name in batch for address in impact.own(stack, name)],
            approved=shown,
            approve=approve,
            replaced=[address for name in batch for address in addresses[name]],
        )

    upkeep.change(
        renewed=names,
        how=change,
        at_once=at_once,
        even_without_quorum=even_without_quorum,
        kept=impact.kept_of(shown, impact.places_of(stack)),
    )
    if not deployment.finish(stack, impact.join_steps(stack, names)):
        up = typed.command(deployment.session.environment, "up")
        deployment.screen.say(f"{stack.name}: other changes are pending; `{up}` applies them")


def reboot(
    session: Session,
    upkeep: Upkeep,
    outputs: Outputs,
    names: Sequence[str],
    *,
    wait: Callable[..., None] = restart.wait,
    mark_of: Callable[..., str] = restart.mark_of,
) -> None:
    """Reboot the machines of some nodes, one at a time, each without its tasks.

    Args:
        session: The command.
        upkeep: The nodes.
        outputs: What the last deployment told.
        names: The nodes.
        wait: Waits until a machine has rebooted.
        mark_of: Returns what is another one after each boot.

    Raises:
        WrongUseError: There is no such node.
        CommandError: A machine does not reboot, or does not come back; those before it have.
    """
    upkeep.look()
    known(names, outputs.nodes)

    def change(batch: Sequence[str]) -> None:
        marks = {name: mark_of(outputs.node(name)) for name in batch}
        for name in batch:
            machines.reboot(session, outputs.node(name).instance_id)
        for name in batch:
            wait(outputs.node(name), marks[name], name=name)

    upkeep.change(restarted=names, how=change)


def known(names: Iterable[str], there: Iterable[str]) -> None:
    """Refuse names that nothing has.

    Args:
        names: The names.
        there: Those that there are.

    Raises:
        WrongUseError: There is no such node; with the nearest names.
    """
    all_names = list(there)
    wrong = [typed.unknown("node", name, all_names) for name in names if name not in all_names]
    if wrong:
        raise WrongUseError("\n".join(wrong))


def must_not_have_volumes(
    members: Iterable[Member], names: Sequence[str], *, lose_volumes: bool
) -> None:
    """Refuse to replace machines that have volumes, unless that is what is wanted.

    Args:
        members: The swarm's members.
        names: The nodes whose machines are replaced.
        lose_volumes: Whether volumes may be lost.

    Raises:
        CommandError: One of them has volumes.
    """
    there = by_name(members)
    lines = [
        f"node {name}: must have no volumes, got {', '.join(volumes)}, which would be lost "
        "with its machine; save what is in them, and say --lose-volumes"
        for name in names
        if name in there and (volumes := there[name].volume_names)
    ]
    if lines and not lose_volumes:
        raise CommandError("\n".join(lines))


def _upkeep(deployment: Deployment) -> Upkeep:
    if deployment.upkeep is None:
        raise WrongUseError(
            f"environment {deployment.session.environment.name}: must be a swarm, got one machine"
        )
    return deployment.upkeep
