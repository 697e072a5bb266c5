"""A machine whose data volume is backed up: the only one, or a node of a swarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.settings.nodes import FIRST, nodes_of
from moor import typed
from moor.failure import CommandError, WrongUseError
from moor.operation import hosts

if TYPE_CHECKING:
    from constructs_lib.settings.settings import DataVolumeSettings
    from moor.operation.hosts import Host
    from moor.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """A machine with a data volume.

    Attributes:
        node: Its name in the settings, by which its volume and snapshots are known.
        host: How it is reached.
        is_member: Whether it is the node of a swarm.
    """

    node: str
    host: Host
    is_member: bool

    @property
    def name(self) -> str:
        """What it is called among the environment's machines; empty where it is the only one."""
        return self.node if self.is_member else ""


def must_have_a_volume(session: Session) -> None:
    """Refuse an environment whose settings ask for no data volume.

    Args:
        session: The command.

    Raises:
        CommandError: They ask for none.
    """
    if not session.has_data_volume:
        raise CommandError(
            f"{session.environment.settings_file}: aws.data_volume: must be set for backups, got "
            "none; the machine's own disk goes with the machine: add size_gib, and run "
            f"{typed.command(session.environment, 'up')}"
        )


def with_volumes(session: Session) -> list[str]:
    """Return the names of the machines that have a data volume by the settings.

    Args:
        session: The command.
    """
    return [node.name for node in nodes_of(session.settings) if node.data_volume is not None]


def wanted(session: Session, node: str) -> tuple[DataVolumeSettings, str]:
    """Return what the settings ask for a machine's data volume, and the field that says it.

    Args:
        session: The command.
        node: The machine's name.

    Raises:
        WrongUseError: There is no such machine, or it has no data volume.
        CommandError: There is no data volume at all.
    """
    must_have_a_volume(session)
    for one in nodes_of(session.settings):
        if one.name == node and one.data_volume is not None:
            pool = session.settings.aws.machines.workers.get(one.pool)
            is_its_own = pool is not None and pool.data_volume is not None
            field = f"aws.machines.workers.{one.pool}" if is_its_own else "aws"
            return one.data_volume, f"{field}.data_volume"
    raise WrongUseError(typed.unknown("machine with a data volume", node, with_volumes(session)))


def machine_of(session: Session, node: str) -> BackedUp:
    """Return a machine that has a data volume.

    Args:
        session: The command.
        node: Its name.

    Raises:
        WrongUseError: There is no such machine, or it has no data volume.
        CommandError: Nothing is deployed, or there is no data volume at all.
    """
    wanted(session, node)
    if not session.settings.is_swarm:
        return BackedUp(node=FIRST, host=hosts.hosts(session.environment)[0], is_member=False)
    return BackedUp(node=node, host=hosts.host_of(session.environment, node), is_member=True)
