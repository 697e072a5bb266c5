"""Nodes that a deployment takes away: without tasks, and out of the swarm, before they are gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from constructs_lib.swarm.node import HAS_VOLUME, VOLUME_LABEL
from moor.failure import CommandError
from moor.swarm import quorum
from moor.swarm.cluster import by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from moor.swarm.cluster import Cluster, Member


def check(members: Iterable[Member], names: Sequence[str]) -> None:
    """Refuse to take nodes away that the managers cannot do without.

    Args:
        members: The swarm's members.
        names: The nodes that are to go, all of them.

    Raises:
        CommandError: The managers that stay would be no majority at some point; with the way.
    """
    left = list(members)
    for name in in_order(left, names):
        problem = quorum.without(left, name, for_good=True)
        if problem:
            lost = [m.name for m in left if m.is_manager and m.name != name and not m.is_reachable]
            way = (
                f"bring back first what is lost: `moor host replace {' '.join(sorted(lost))}`"
                if lost
                else "keep as many managers as make a majority, or end all of it with `moor down`"
            )
            raise CommandError(f"node {name}: must stay, got a plan without it: {problem}; {way}")
        left = [replace(m, is_manager=False) if m.name == name else m for m in left]


def check_volumes(members: Iterable[Member], names: Sequence[str]) -> None:
    """Refuse to take nodes away that have volumes: their data, and the place of their services.

    Args:
        members: The swarm's members.
        names: The nodes that are to go.

    Raises:
        CommandError: One of them has volumes; with the way.
    """
    known = by_name(members)
    lines = []
    for name in names:
        for volume in known[name].volume_names if name in known else ():
            label = f"{VOLUME_LABEL}{volume}"
            lines.append(
                f"node {name}: must stay, got a plan without it, and the volume {volume} is on it: "
                "its data would be lost with the machine. Copy it to another node, and move the "
                f"label there, by which its services find it: `moor node label NODE {label}="
                f"{HAS_VOLUME}`, then `moor node label {name} {label}-`. Where the data may go, "
                "the latter alone will do, and an empty volume is made on another node"
            )
    if lines:
        raise CommandError("\n".join(lines))


def dismiss(
    cluster: Cluster,
    names: Sequence[str],
    *,
    tell: Callable[[str, str], None],
    even_without_quorum: Collection[str] = (),
) -> None:
    """Make workers of managers among some nodes, drain all of them, and take them out of the swarm.

    Args:
        cluster: The swarm.
        names: The nodes.
        tell: Takes a node's name and what is done to it, before that is done.
        even_without_quorum: Managers that may go though the others are no majority then.

    Raises:
        CommandError: One of them cannot go; those before it in order are gone.
    """
    members = by_name(cluster.members())
    order = [name for name in in_order(members.values(), names) if name in members]
    for name in order[1:]:
        # Else it would get the tasks of those before it, which had to move again with its own.
        if members[name].takes_tasks:
            cluster.hold(name)
    for name in order:
        member, despite = members[name], name in even_without_quorum
        if member.is_manager and not despite:
            # Asked anew each time: another one may have gone away meanwhile.
            check(cluster.members(), [name])
        if member.is_manager:
            # Before its tasks go: of two managers neither may be away, and one may be a worker.
            tell(name, "becomes a worker")
            cluster.demote(name, despite=despite)
        if member.state != "down":
            tell(name, "its tasks move away")
            cluster.drain(name, despite=despite)
        tell(name, "leaves the swarm")
        cluster.remove(name, despite=despite)


def in_order(members: Iterable[Member], names: Iterable[str]) -> list[str]:
    """Return names in the order in which nodes are worked on: who matters most comes last.

    Workers come first, and the leader last, whose work another one then takes over once. A
    manager that is not reached goes before those that are: a majority is of those who count.

    Args:
        members: The swarm's members.
        names: The nodes.
    """
    known = by_name(members)

    def weight(name: str) -> tuple[bool, bool, bool]:
        member = known.get(name)
        if member is None:
            return (False, False, False)
        return (member.is_manager, member.is_reachable, member.is_leader)

    return sorted(names, key=weight)
