"""A swarm as the operator's program works with it: its members, and what can be done to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from constructs_lib.swarm.node import VOLUME_LABEL, volume_labels
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from moor.toolchain.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A node that the swarm knows.

    Attributes:
        name: Its name in the settings; of a machine that Moor did not join its host name.
        state: The swarm's word: `ready`, `down`, `unknown`, `disconnected`.
        availability: `active`, `pause` or `drain`.
        is_manager: Whether it is a manager.
        is_leader: Whether it leads the managers.
        is_reachable: Whether the other managers reach it; of a worker never.
        labels: Its labels.
    """

    name: str
    state: str = "ready"
    availability: str = "active"
    is_manager: bool = False
    is_leader: bool = False
    is_reachable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """What it is: `manager` or `worker`."""
        return "manager" if self.is_manager else "worker"

    @property
    def volumes(self) -> dict[str, str]:
        """The labels that say which volumes are on it: they bind services to the node."""
        return volume_labels(self.labels)

    @property
    def volume_names(self) -> list[str]:
        """The volumes that are on it, as `PROJECT.VOLUME`."""
        return sorted(label.removeprefix(VOLUME_LABEL) for label in self.volumes)

    @property
    def takes_tasks(self) -> bool:
        """Whether the swarm may put tasks on it."""
        return self.state == "ready" and self.availability == "active"


class Cluster(Protocol):
    """The swarm, asked and changed by any manager that answers.

    Each of these raises a `CommandError` where it cannot be done, with the reason and the remedy.
    """

    def members(self) -> Sequence[Member]:
        """Return the members, in no particular order."""

    def drain(self, name: str, *, mark: bool = False, despite: bool = False) -> None:
        """Move a node's tasks away, and wait until they are gone.

        Args:
            name: The node.
            mark: Whether to note at the node that it is for a while only.
            despite: Whether a manager may go without which the others are no majority.
        """

    def hold(self, name: str) -> None:
        """Give a node no further tasks, for a while; those that it has stay."""

    def activate(self, name: str) -> None:
        """Let a node take tasks again, and forget that it was for a while only."""

    def promote(self, name: str) -> None:
        """Make a node a manager."""

    def demote(self, name: str, *, despite: bool = False) -> None:
        """Make a node a worker; `despite` as for `drain`."""

    def label(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of a node; None takes one away."""

    def remove(self, name: str, *, force: bool = True, despite: bool = False) -> None:
        """Take a node out of the swarm.

        Args:
            name: The node.
            force: Whether one that has tasks may be taken, too.
            despite: As for `drain`.
        """

    def join(self, name: str, keep: Mapping[str, str] | None = None) -> None:
        """Have a machine in the swarm under its name, with its role and labels.

        Args:
            name: The node.
            keep: Further labels, of the machine that was in its place.
        """

    def restore(self, stack: Stack, folder: Path) -> list[str]:
        """Write what a plan of the services reads; see `moor.swarm.results.restore`.

        Args:
            stack: The stack with the services, synthesized.
            folder: The folder of what it reads.

        Returns:
            The addresses of the steps that have to run again.
        """

    def withdraw(self, services: Sequence[str]) -> None:
        """Let services have no tasks, and wait until those that they have are over.

        Args:
            services: The services' ids.
        """

    def settle(self, name: str) -> None:
        """Wait until a node is ready, and all tasks that the swarm has put on it run."""


class LostQuorumError(CommandError):
    """There is a swarm, and too few of its managers answer to change anything."""


def by_name(members: Iterable[Member]) -> dict[str, Member]:
    """Return members by their names; of two with one name the one that is not down."""
    found: dict[str, Member] = {}
    for member in members:
        if member.name not in found or found[member.name].state == "down":
            found[member.name] = member
    return found
