"""The exchange of the data volumes of a node, which is the same member of its swarm after it.

What a node is in the swarm is on its data volume, beside Docker's data: a snapshot has it as it was
then, and with that a node would be a member of yesterday's swarm, a manager with yesterday's log.
So that alone does not come from the snapshot: it is carried over from the volume in use.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moor.backup.machine import PLACE, Machine
from moor.failure import CommandError
from moor.swarm import roll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.backup.aws import Ec2
    from moor.backup.backed_up import BackedUp
    from moor.backup.exchange import Exchange
    from moor.deployment import Deployment
    from moor.swarm.upkeep import Upkeep

_KEPT: Final = "/etc/moor/swarm.tar"
"""Where it is meanwhile: not on the volume that goes, and not in memory, as a machine may boot."""

_READY: Final = "ready"
_MANAGED_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 1.0

# As `machine.Machine` leaves a volume, and between the engine's end and the volume's the copy. What
# is half written has another name: the copy of before may be the only one.
_LEAVE: Final = f"""sudo bash -ec '
umask 077
! mountpoint --quiet {PLACE} || bash /etc/moor/data-volume.sh end
systemctl stop docker-tls-tcp.socket docker.socket docker.service
if mountpoint --quiet {PLACE} && test -d {PLACE}/docker/swarm; then
  tar --create --file={_KEPT}.new --directory={PLACE}/docker swarm
  mv -f {_KEPT}.new {_KEPT}
  sync --file-system {_KEPT}
fi
systemctl stop moor-data-folders.service mnt-moor.mount'"""

# The containers are those of tasks of the snapshot's time: nobody starts them any more.
_USE: Final = f"""sudo bash -ec '
bash /etc/moor/data-volume.sh use "$1"
if test -e {_KEPT}; then
  systemctl stop docker-tls-tcp.socket docker.socket docker.service
  rm -rf {PLACE}/docker/swarm
  tar --extract --file={_KEPT} --directory={PLACE}/docker
  sync --file-system {PLACE}
  rm -f {_KEPT}
fi
systemctl start docker.service
docker container prune --force --filter label=com.docker.swarm.task.id >/dev/null' -- """


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Machine):
    """A node of a swarm, reached over SSH."""

    def leave_volume(self) -> None:
        """Stop Docker, keep what the node is in the swarm, and take the volume out of use."""
        self.run(_LEAVE, seconds=900)

    def use_volume(self, volume: str) -> None:
        """Have Docker's data on a volume that is attached, and be the member that it was."""
        self.run(f"{_USE}{volume}", seconds=900)


def exchange(deployment: Deployment, ec2: Ec2, there: BackedUp, volumes: Exchange) -> None:
    """Exchange the volumes of a node, without its tasks, and let it have them again.

    Args:
        deployment: The deployment, prepared.
        ec2: EC2.
        there: The node.
        volumes: The exchange.

    Raises:
        CommandError: A step failed, or the node does not come back.
        LostQuorumError: Too few managers are there.
    """
    upkeep, node = deployment.upkeep, there.node
    if upkeep is None:
        raise CommandError(f"node {node}: must be of a swarm, got one machine alone")
    shell = Member(environment=deployment.session.environment, host=there.host)

    def change(_: Sequence[str]) -> None:
        volumes.run(deployment.screen, ec2, shell)
        _await_managers(upkeep)

    upkeep.look()
    member = upkeep.members.get(node)
    if member is not None and member.state == _READY:
        upkeep.change(restarted=[node], how=change)
    else:
        # Its engine is stopped: a command before was ended in the middle of this.
        change([node])
        if node in roll.unfinished(upkeep.members.values()):
            upkeep.cluster.activate(node)
        upkeep.cluster.settle(node)
    # What follows has the volume's steps run again, which find all done.
    upkeep.spared.add(node)


def _await_managers(upkeep: Upkeep) -> None:
    """Wait until a manager answers: the node may be the only one, and has just come back."""
    end = time.monotonic() + _MANAGED_SECONDS
    while True:
        upkeep.look()
        if not upkeep.problem:
            return
        if time.monotonic() >= end:
            raise CommandError(upkeep.problem)
        time.sleep(_PAUSE_SECONDS)
