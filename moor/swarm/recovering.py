"""A swarm that has lost the majority of its managers, begun anew with one that is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.swarm import recover as recovery
from moor.swarm.host_work import known
from moor.swarm.live_cluster import told

if TYPE_CHECKING:
    from collections.abc import Collection

    from constructs_lib.swarm.recover import Recovery
    from moor.swarm.live_cluster import LiveCluster


def recover(cluster: LiveCluster, *, survivor: str | None, lost: Collection[str]) -> Recovery:
    """Begin the swarm anew, and have the other managers join it that are left.

    Args:
        cluster: The swarm.
        survivor: The manager to begin with; the first one that is left where unset.
        lost: The managers that do not answer, and are known to be gone.

    Returns:
        What was done.

    Raises:
        WrongUseError: A name is no manager's.
        CommandError: It cannot be done; the text says why.
    """
    managers = {name: node for name, node in cluster.described.items() if node.is_manager}
    known([*([survivor] if survivor else []), *lost], managers)
    with told("swarm"):
        return recovery.recover(cluster.joining, managers, survivor=survivor, lost=lost)


def summary(done: Recovery) -> str:
    """Return what was done, in one line.

    Args:
        done: What was done.
    """
    parts = [f"the swarm began anew with {done.survivor}"]
    parts += [f"joined again: {', '.join(done.joined)}"] if done.joined else []
    parts += [f"gone: {', '.join(done.lost)}"] if done.lost else []
    return "; ".join(parts)
