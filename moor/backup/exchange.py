"""One data volume for another on the same machine, step by step.

Each step looks first whether it is done: whatever failed in between, the same call goes on, and the
call with both volumes the other way round goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.limits import (
    DATA_VOLUME_DEVICE,
    DATA_VOLUME_TAG,
    FORMER_VOLUME_TAG,
    SCHEDULE_TAG,
)
from moor.aws_refusal import told
from moor.backup.aws import as_list
from moor.backup.snapshot import tags_of
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from moor.backup.aws import Ec2
    from moor.backup.machine import Machine
    from moor.deployment import Deployment
    from moor.screen import Screen

_VOLUME: Final = "aws_ebs_volume"
_ATTACHMENT: Final = "aws_volume_attachment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Two volumes of a machine's, of which one gives way to the other.

    Attributes:
        node: The machine's name.
        machine: The instance's id.
        leaving: The volume that goes out.
        coming: The volume that comes in.
    """

    node: str
    machine: str
    leaving: str
    coming: str

    def run(self, screen: Screen, ec2: Ec2, shell: Machine) -> None:
        """Do what of it is not done.

        Args:
            screen: Where progress is told.
            ec2: EC2.
            shell: The machine.

        Raises:
            CommandError: A step failed.
        """
        with screen.phase("services stop, and their volume is taken out", done=""):
            self._take_out(ec2, shell, screen.tick)
        with screen.phase(f"volume {self.coming} is put in", done=""):
            self._put_in(ec2, screen.tick)
            self.tag(ec2)
        with screen.phase("Docker starts with it", done=""):
            shell.use_volume(self.coming)

    def _take_out(self, ec2: Ec2, shell: Machine, tick: Callable[[], None]) -> None:
        there = ec2.described(self.leaving)
        if there is None or there["State"] != "in-use":
            return
        if there["Attachments"][0]["InstanceId"] != self.machine:
            raise CommandError(
                f"volume {self.leaving}: must be attached to {self.machine}, got "
                f"{there['Attachments'][0]['InstanceId']}; detach it there"
            )
        shell.leave_volume()
        if there["Attachments"][0]["State"] == "attached":
            with told(f"volume {self.leaving}: must be detached"):
                ec2.client.detach_volume(VolumeId=self.leaving, InstanceId=self.machine)
        ec2.await_volume(self.leaving, "available", tick)

    def _put_in(self, ec2: Ec2, tick: Callable[[], None]) -> None:
        there = ec2.described(self.coming)
        if there is None:
            raise CommandError(f"volume {self.coming}: must be there, got nothing of that id")
        if there["State"] != "in-use":
            with told(f"volume {self.coming}: must be attached"):
                ec2.client.attach_volume(
                    VolumeId=self.coming, InstanceId=self.machine, Device=DATA_VOLUME_DEVICE
                )
        ec2.await_volume(self.coming, "in-use", tick)

    def tag(self, ec2: Ec2) -> None:
        """Let the tags tell which one is the data volume.

        Args:
            ec2: EC2.

        Raises:
            CommandError: AWS refuses.
        """
        changes = (
            (self.leaving, FORMER_VOLUME_TAG, DATA_VOLUME_TAG),
            (self.coming, DATA_VOLUME_TAG, FORMER_VOLUME_TAG),
        )
        for volume, gets, loses in changes:
            there = ec2.described(volume)
            if there is None or (gets in tags_of(there) and loses not in tags_of(there)):
                continue
            with told(f"volume {volume}: its tags must be changed"):
                # At no moment are there two, and a volume with neither would be nobody's.
                ec2.client.create_tags(Resources=[volume], Tags=as_list({gets: self.node}))
                # Nor does AWS take snapshots of what is out of use.
                gone = [loses, *([SCHEDULE_TAG] if loses == DATA_VOLUME_TAG else [])]
                ec2.client.delete_tags(Resources=[volume], Tags=[{"Key": key} for key in gone])

    def take_note(self, deployment: Deployment) -> None:
        """Let Terraform's state know the one instead of the other; services may run by then.

        Args:
            deployment: The deployment, prepared.

        Raises:
            CommandError: The state cannot be changed.
        """
        terraform, stack = deployment.terraform, deployment.stacks[0]
        volume, attachment = addresses(stack.document(), self.node)
        known = _volumes_of(terraform.state(stack))
        for address in (attachment, volume):
            if known.get(address, self.coming) != self.coming:
                terraform.forget(stack, address)
        wanted = {
            volume: self.coming,
            attachment: f"{DATA_VOLUME_DEVICE}:{self.coming}:{self.machine}",
        }
        for address, identity in wanted.items():
            if known.get(address) != self.coming:
                terraform.take_over(stack, address, identity)


def addresses(document: dict[str, Any], node: str) -> tuple[str, str]:
    """Return the addresses of a machine's data volume, and of its attachment.

    Args:
        document: The first stack, synthesized.
        node: The machine's name.

    Raises:
        CommandError: There is none; the settings have changed since the deployment.
    """
    resources = document.get("resource", {})
    for volume, body in resources.get(_VOLUME, {}).items():
        if (body.get("tags") or {}).get(DATA_VOLUME_TAG) != node:
            continue
        for name, attached in resources.get(_ATTACHMENT, {}).items():
            if f"{_VOLUME}.{volume}." in str(attached.get("volume_id")):
                return f"{_VOLUME}.{volume}", f"{_ATTACHMENT}.{name}"
    raise CommandError(f"data volume of {node}: must be among what is deployed, got nothing of it")


def _volumes_of(state: dict[str, Any]) -> dict[str, str]:
    """Return the id of the volume of each data volume and attachment, by its address."""
    found = {}
    for resource in state.get("resources", []):
        kind = resource.get("type")
        if resource.get("mode") == "managed" and kind in (_VOLUME, _ATTACHMENT):
            for instance in resource.get("instances", []):
                attributes = instance.get("attributes") or {}
                volume = attributes.get("id" if kind == _VOLUME else "volume_id")
                found[f"{kind}.{resource['name']}"] = str(volume)
    return found
