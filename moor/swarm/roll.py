"""Changes of nodes at work, one node at a time: without tasks, changed, back, and the next one.

A node's Docker that starts anew ends all containers on it (a swarm knows no `live-restore`), and a
machine that is replaced takes them along. So their tasks move away first, and the next node's turn
comes when this one has everything again that the swarm gives to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from moor.failure import CommandError
from moor.swarm import departure, quorum
from moor.swarm.cluster import LostQuorumError, by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from moor.swarm.cluster import Cluster, Member

RESTING: Final = "moor.resting"
"""The label of a node that gets no tasks for a while, by a command that may be killed meanwhile."""


def check(
    members: Iterable[Member],
    *,
    renewed: Sequence[str],
    restarted: Sequence[str],
    kept: Collection[str] = (),
) -> None:
    """Refuse to work on nodes that the managers cannot do without, before anything is done.

    Args:
        members: The swarm's members.
        renewed: Nodes whose machines are replaced.
        restarted: Nodes whose Docker or machine starts anew.
        kept: Those of the renewed whose data volume goes to the new machine.

    Raises:
        CommandError: The managers would be no majority without one of them; with the way.
    """
    there = list(members)
    for name in (*renewed, *restarted):
        for_good = name in renewed and not _stays(there, name, kept)
        problem = quorum.without(there, name, for_good=for_good)
        if not problem:
            continue
        lost = sorted(m.name for m in there if m.is_manager and not m.is_reachable)
        if lost:
            way = f"replace what is lost first: `moor host replace {' '.join(lost)}`"
        elif len([m for m in there if m.is_manager]) > 1:
            way = f"or lose the quorum knowingly: `moor host replace {name} --even-without-quorum"
            way += f" {name}`, then `moor swarm recover`"
        else:
            way = (
                "let there be three managers first: aws.machines.managers: 3; or have the swarm on "
                "a data volume: aws.data_volume, and deploy that first"
            )
        raise CommandError(f"node {name}: must be done without for a while, got: {problem}; {way}")


def roll(
    cluster: Cluster,
    *,
    renewed: Sequence[str],
    restarted: Sequence[str],
    change: Callable[[Sequence[str]], None],
    tell: Callable[[str, str], None],
    at_once: int = 1,
    even_without_quorum: Collection[str] = (),
    kept: Collection[str] = (),
) -> None:
    """Change nodes that are in the swarm.

    Args:
        cluster: The swarm.
        renewed: Nodes whose machines `change` replaces.
        restarted: Nodes whose Docker or machine `change` starts anew.
        change: Changes some nodes, which have no tasks then.
        tell: Takes a node's name and what is done with it, before that is done.
        at_once: How many workers are changed together; managers go one by one all the same.
        even_without_quorum: Managers that may go though the others are no majority then.
        kept: Those of the renewed whose data volume goes to the new machine.

    Raises:
        CommandError: A node could not be changed, or did not come back; those before it are done,
            and the next deployment goes on from there.
    """
    for batch in batches(cluster.members(), (*renewed, *restarted), at_once=at_once):
        members = by_name(cluster.members())
        bold = [name for name in batch if name in even_without_quorum]
        if any(quorum.without(members.values(), n, for_good=n in renewed) for n in bold):
            _boldly(cluster, members, batch, change, tell)
        again = [name for name in batch if name not in bold]
        check(
            members.values(),
            renewed=[name for name in again if name in renewed],
            restarted=[name for name in again if name in restarted],
            kept=kept,
        )
        stays = [name for name in batch if _stays(members.values(), name, kept)]
        leaving = [name for name in batch if name in renewed and name not in stays]
        resting = [n for n in batch if n not in leaving and _rests(members, n)]
        for name in resting:
            tell(name, "its tasks move away")
            cluster.drain(name, mark=True, despite=name in bold)
        departure.dismiss(cluster, leaving, tell=tell, even_without_quorum=even_without_quorum)
        change(batch)
        for name in leaving:
            tell(name, "joins the swarm")
            # Else a service whose volume was there would find no node any more.
            cluster.join(name, members[name].volumes if name in members else None)
        for name in resting:
            cluster.activate(name)
        for name in batch:
            tell(name, "its tasks begin")
            cluster.settle(name)


def _boldly(
    cluster: Cluster,
    members: dict[str, Member],
    batch: Sequence[str],
    change: Callable[[Sequence[str]], None],
    tell: Callable[[str, str], None],
) -> NoReturn:
    """Change a manager that the others are no majority without: nothing can follow on that."""
    (name,) = batch
    if _rests(members, name):
        tell(name, "its tasks move away")
        cluster.drain(name, despite=True)
    change(batch)
    raise LostQuorumError(
        f"node {name}: is changed, as it was to be, and the managers that are left are no "
        f"majority; next: `moor swarm recover`"
    )


def batches(members: Iterable[Member], names: Sequence[str], *, at_once: int) -> list[list[str]]:
    """Return nodes in the order of their turns: workers some at a time, then each manager alone.

    Args:
        members: The swarm's members.
        names: The nodes.
        at_once: How many workers have their turn together; 1 or more.
    """
    known = by_name(members)
    order = departure.in_order(known.values(), dict.fromkeys(names))
    workers = [name for name in order if name not in known or not known[name].is_manager]
    groups = [workers[i : i + at_once] for i in range(0, len(workers), at_once)]
    return [*groups, *([name] for name in order if name not in workers)]


def unfinished(members: Iterable[Member]) -> list[str]:
    """Return the nodes that a command has taken tasks from for a while, and has not come back to.

    Args:
        members: The swarm's members.
    """
    return sorted(m.name for m in members if RESTING in m.labels and m.availability != "active")


def _stays(members: Iterable[Member], name: str, kept: Collection[str]) -> bool:
    """Return whether a node is still in the swarm when its machine is another one.

    The only manager has the whole swarm in Docker's data, keys and services and all. Where that
    goes to the new machine, and the address too, the same node comes back as from a reboot.
    """
    return name in kept and [m.name for m in members if m.is_manager] == [name]


def _rests(members: dict[str, Member], name: str) -> bool:
    """Return whether a node is to be drained: some other one must take the tasks.

    Where there is none, tasks could only wait, and would begin later than without. A node that
    somebody has drained for good stays as it is; one that a killed command has left does not.
    """
    member = members.get(name)
    if member is None:
        return False
    if member.availability == "drain":
        return RESTING in member.labels
    return any(m.takes_tasks for m in members.values() if m.name != name)
