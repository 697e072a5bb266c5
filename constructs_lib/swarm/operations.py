"""What is done to the nodes of a swarm, for a program that a person runs.

Each function takes a manager's engine: `answering(…, avoid=NAME).engine()`, where NAME is the node
that it is done to, since a manager that is demoted cannot be asked any more.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from constructs_lib.swarm import entries as listed
from constructs_lib.swarm.entries import DOWN, READY, Entry, change, entries, named
from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.node import OWN_PREFIX, VOLUME_LABEL
from constructs_lib.swarm.quorum import bears_absence, bears_removal, majority

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from docker import DockerClient

OVER: Final = frozenset({"complete", "failed", "shutdown", "rejected", "orphaned", "remove"})
"""The states of a task that does nothing any more."""

_PAUSE_SECONDS: Final = 0.5
_MOST: Final = 5


def running_on(client: DockerClient, node_id: str) -> dict[str, int]:
    """Return how many tasks of each service are on a node, and not over.

    Args:
        client: A manager's engine.
        node_id: The node's id in the swarm.

    Returns:
        The numbers by the services' names.
    """
    found: Counter[str] = Counter()
    tasks = client.api.tasks(filters={"node": node_id})  # type: ignore[no-untyped-call]
    alive = [t for t in tasks if (t.get("Status") or {}).get("State") not in OVER]
    if alive:
        services = client.api.services()  # type: ignore[no-untyped-call]
        names = {service["ID"]: service["Spec"]["Name"] for service in services}
        found.update(names.get(t.get("ServiceID", ""), "a service that is gone") for t in alive)
    return dict(sorted(found.items()))


def drain(
    client: DockerClient,
    name: str,
    *,
    seconds: float,
    report: Callable[[str], None],
    despite_quorum: str | None = None,
) -> bool:
    """Take the tasks from a node, and wait until they are gone from it.

    Draining alone takes no manager away; what follows, a reboot, does. So it is checked here that
    the others are a majority without it.

    Args:
        client: A manager's engine.
        name: The node.
        seconds: How long to wait at most, 0 for not at all.
        report: Takes a line each time that other tasks are left, and at the end.
        despite_quorum: The name of the manager that may go though too few others are left.

    Returns:
        Whether all are gone.

    Raises:
        SwarmError: There is no such node, or too few managers would be left.
    """
    node = named(client, name)
    check_absence(entries(client), node, despite_quorum=despite_quorum)
    change(client, node.id, lambda spec: spec.update(Availability="drain"))
    begin = time.monotonic()
    said: dict[str, int] | None = None
    while True:
        left = running_on(client, node.id)
        if not left:
            report(f"{node}: drained in {time.monotonic() - begin:.1f} s")
            return True
        if left != said:
            report(f"{node}: still has {_tasks(left)}")
            said = left
        if time.monotonic() - begin >= seconds:
            report(f"{node}: not drained in {seconds:.0f} s, still has {_tasks(left)}")
            return False
        time.sleep(_PAUSE_SECONDS)


def activate(client: DockerClient, name: str) -> bool:
    """Let a node have tasks again.

    Args:
        client: A manager's engine.
        name: The node.

    Returns:
        Whether it was not so already.

    Raises:
        SwarmError: There is no such node.
    """
    return change(client, named(client, name).id, lambda spec: spec.update(Availability="active"))


def promote(client: DockerClient, name: str) -> None:
    """Make a node a manager, and wait until the others reach it.

    Args:
        client: A manager's engine.
        name: The node.

    Raises:
        SwarmError: There is no such node, or it does not become one.
    """
    listed.promote(client, named(client, name).id)


def demote(client: DockerClient, name: str, *, despite_quorum: str | None = None) -> None:
    """Make a manager a worker, and wait until the others no longer count it.

    Args:
        client: The engine of another manager.
        name: The node.
        despite_quorum: The name of the manager that may go though too few others are left.

    Raises:
        SwarmError: There is no such node, too few managers would be left, or it remains one.
    """
    node = named(client, name)
    check_removal(entries(client), node, despite_quorum=despite_quorum)
    listed.demote(client, node.id)


def label(client: DockerClient, name: str, changes: Mapping[str, str | None]) -> bool:
    """Give a node labels, or take them away.

    Args:
        client: A manager's engine.
        name: The node.
        changes: Values by the labels' names; None takes the label away.

    Returns:
        Whether anything was changed.

    Raises:
        SwarmError: There is no such node, or a label is one that this project sets itself. The
            labels of volumes may be set all the same: who moves a volume moves its label.
    """
    for key in changes:
        if key.startswith(OWN_PREFIX) and not key.startswith(VOLUME_LABEL):
            raise SwarmError(
                f"node {name}: labels: must not begin with {OWN_PREFIX}, got {key!r}; use another"
            )

    def edited(labels: Mapping[str, str]) -> dict[str, str]:
        merged = {**labels, **changes}
        return {key: value for key, value in merged.items() if value is not None}

    node = named(client, name)
    return change(client, node.id, lambda spec: spec.update(Labels=edited(spec["Labels"])))


def remove_node(
    client: DockerClient, name: str, *, force: bool = False, despite_quorum: str | None = None
) -> None:
    """Remove a node from the swarm; a manager is demoted before.

    The machine itself is not told: it is to be removed, or to leave the swarm.

    Args:
        client: The engine of another manager.
        name: The node.
        force: Whether one that is ready is removed though it still has tasks.
        despite_quorum: The name of the manager that may go though too few others are left.

    Raises:
        SwarmError: There is no such node, it is at work, too few managers would be left, or the
            swarm keeps it.
    """
    node = named(client, name)
    if node.state == READY and not force and (left := running_on(client, node.id)):
        raise SwarmError(
            f"node {node}: must have no tasks, got {_tasks(left)}; run: moor node drain {node}"
        )
    if node.is_manager or node.reachability:
        check_removal(entries(client), node, despite_quorum=despite_quorum)
    listed.remove(client, node)


def tidy(client: DockerClient, keep: Collection[str]) -> list[str]:
    """Remove the nodes that are down, and that nobody wants any more.

    Args:
        client: A manager's engine.
        keep: The names of the nodes that there should be. A node without a name is not touched:
            nobody here has made it one.

    Returns:
        The names of those that were removed.
    """
    gone = [e for e in entries(client) if e.state == DOWN and e.name and e.name not in keep]
    for node in gone:
        listed.remove(client, node)
    return [node.name for node in gone]


def check_absence(
    known: Sequence[Entry], node: Entry, *, despite_quorum: str | None = None
) -> None:
    """Refuse that a manager is away for a time, where too few others are left.

    Args:
        known: All nodes.
        node: The one that goes; a worker, and a manager that is not reached, may always.
        despite_quorum: The name of the manager that may go all the same.

    Raises:
        SwarmError: Too few would be left.
    """
    managers, reachable = _counted(known)
    if not node.is_reachable or despite_quorum == node.name or managers == 1:
        # Of one manager alone everybody knows that it is away when it is.
        return
    if not bears_absence(managers, reachable):
        raise SwarmError(_too_few(node, managers, reachable - 1, majority(managers)))


def check_removal(
    known: Sequence[Entry], node: Entry, *, despite_quorum: str | None = None
) -> None:
    """Refuse that a manager becomes none, where too few others are left.

    Args:
        known: All nodes.
        node: The one that goes; a worker may always.
        despite_quorum: The name of the manager that may go all the same. The last one may not,
            whatever is said.

    Raises:
        SwarmError: Too few would be left, or none.
    """
    if not node.reachability:
        return
    managers, reachable = _counted(known)
    if managers == 1:
        raise SwarmError(
            f"node {node}: must not be the only manager, got the only one; promote another first"
        )
    if despite_quorum == node.name:
        return
    if not bears_removal(managers, reachable, is_reachable=node.is_reachable):
        left = reachable - node.is_reachable
        raise SwarmError(_too_few(node, managers - 1, left, majority(managers - 1)))


def _counted(known: Sequence[Entry]) -> tuple[int, int]:
    managers = [e for e in known if e.reachability]
    return len(managers), sum(e.is_reachable for e in managers)


def _too_few(node: Entry, managers: int, left: int, needed: int) -> str:
    return (
        f"node {node}: must leave a majority of managers, got {left} reachable of {managers} "
        f"without it, where {needed} are needed; bring another manager back or add one, or say "
        f"that {node} may go all the same"
    )


def _tasks(left: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} ({number})" for name, number in list(left.items())[:_MOST])
    total = sum(left.values())
    return f"{total} task{'' if total == 1 else 's'}: {shown}{', …' if len(left) > _MOST else ''}"
