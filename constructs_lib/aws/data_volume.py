"""The data volume: what outlives the machine that it is attached to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf import Precondition, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.data_aws_subnet import DataAwsSubnet
from cdktf_cdktf_provider_aws.ebs_volume import EbsVolume
from cdktf_cdktf_provider_aws.volume_attachment import VolumeAttachment
from constructs import Construct

from constructs_lib.aws.limits import DATA_VOLUME_DEVICE, DATA_VOLUME_TAG, SCHEDULE_TAG
from constructs_lib.aws.snapshot_policy import SnapshotPolicy
from constructs_lib.terraform.literal import Expression, define, joined

if TYPE_CHECKING:
    from constructs_lib.aws.machine import Machine
    from constructs_lib.aws.snapshot_policy import SnapshotSchedule


class DataVolume(Construct):
    """An encrypted EBS volume in the machine's zone, attached to the machine.

    The machine may be replaced: it is stopped before the volume is detached, so that whatever runs
    on it has ended, and the next one has the volume. Nothing that Terraform is told destroys it.

    Attributes:
        resource: The volume.
        attachment: Its attachment, for `depends_on`.
        id: The volume's id (a token, known after apply).
        size_gib: Its size in GiB.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        node: str,
        machine: Machine,
        subnet_id: str,
        size_gib: int,
        kind: str,
        iops: int | None,
        throughput: int | None,
        schedule: SnapshotSchedule | None = None,
    ) -> None:
        """Define the volume and its attachment.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it makes another volume.
            name: The tag `Name`.
            node: Whose it is: the machine's name among the environment's machines. It is found by
                that, in a tag, where no state knows it.
            machine: The machine.
            subnet_id: The subnet that the machine stands in. One that was looked up, and is an
                expression, is in the volume's zone, or in that of an interface that stays.
            size_gib: Its size in GiB. A larger one grows it in place.
            kind: The volume type, such as `gp3`.
            iops: I/O operations per second; AWS's default where unset.
            throughput: MiB per second; likewise.
            schedule: When AWS takes snapshots of it by itself; never where unset.
        """
        super().__init__(scope, id_)
        subnet = define(DataAwsSubnet, self, "Subnet", id=subnet_id)
        self.resource = define(
            EbsVolume,
            self,
            "Resource",
            availability_zone=Expression(subnet.availability_zone),
            encrypted=True,
            size=size_gib,
            type=kind,
            iops=iops,
            throughput=throughput,
            tags={
                "Name": name,
                DATA_VOLUME_TAG: node,
                **({} if schedule is None else {SCHEDULE_TAG: name}),
            },
            lifecycle=TerraformResourceLifecycle(
                # It cannot move: where the machine would, the precondition below says so.
                ignore_changes=["availability_zone"],
                prevent_destroy=True,
            ),
        )
        self.attachment = define(
            VolumeAttachment,
            self,
            "Attachment",
            device_name=DATA_VOLUME_DEVICE,
            volume_id=Expression(self.resource.id),
            instance_id=machine.id,
            # What has mounted it would keep EC2 from detaching it.
            stop_instance_before_detaching=True,
            lifecycle=self._only_here(subnet) if not isinstance(subnet_id, Expression) else None,
        )
        if schedule is not None:
            SnapshotPolicy(self, "Snapshots", name=name, schedule=schedule)
        self.id = Expression(self.attachment.volume_id)
        self.size_gib = size_gib

    def _only_here(self, subnet: DataAwsSubnet) -> TerraformResourceLifecycle:
        """Refuse a machine that settings put into another zone, before anything is changed."""
        volume, place = self.resource.fqn, subnet.fqn
        return TerraformResourceLifecycle(
            precondition=[
                define(
                    Precondition,
                    condition=Expression(
                        f"${{{volume}.availability_zone == {place}.availability_zone}}"
                    ),
                    error_message=joined(
                        "aws.network: must name a subnet in ",
                        Expression(f"${{{volume}.availability_zone}}"),
                        ", the zone of the data volume ",
                        Expression(f"${{{volume}.id}}"),
                        ", got ",
                        Expression(f"${{{place}.id}}"),
                        " in ",
                        Expression(f"${{{place}.availability_zone}}"),
                        "; a volume stays in its zone",
                    ),
                )
            ]
        )
