"""Where the one machine of an environment has to stand, so that its data volume reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.data_aws_ebs_volume import DataAwsEbsVolume, DataAwsEbsVolumeFilter
from cdktf_cdktf_provider_aws.data_aws_ebs_volumes import DataAwsEbsVolumes, DataAwsEbsVolumesFilter
from cdktf_cdktf_provider_aws.data_aws_instance import DataAwsInstance
from cdktf_cdktf_provider_aws.data_aws_instances import DataAwsInstances
from cdktf_cdktf_provider_aws.data_aws_subnets import DataAwsSubnets, DataAwsSubnetsFilter
from constructs import Construct

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.terraform.literal import Expression, define, override

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeptPlace(Construct):
    """A default subnet, where the settings name no network.

    It is in the zone of the data volume that there is; else in that of the machine that runs, which
    is not replaced to get a volume; else in the first zone. All of it is looked up during the plan,
    and depends on no resource: the volume outlives all of them.

    Attributes:
        subnet_id: The subnet's id (a token, known during the plan).
    """

    def __init__(
        self, scope: Construct, id_: str, *, tags: Mapping[str, str], name: str, node: str
    ) -> None:
        """Define the look-ups.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            tags: The tags of every AWS resource of the environment.
            name: The tag `Name` of the machine.
            node: Whose volume it is, as `DataVolume` notes it.
        """
        super().__init__(scope, id_)
        volumes = define(
            DataAwsEbsVolumes,
            self,
            "Volumes",
            filter=[
                define(DataAwsEbsVolumesFilter, name=f"tag:{key}", values=[value])
                for key, value in {**tags, DATA_VOLUME_TAG: node}.items()
            ],
        )
        volume = define(
            DataAwsEbsVolume,
            self,
            "Volume",
            filter=[
                define(
                    DataAwsEbsVolumeFilter, name="volume-id", values=[Expression("${each.value}")]
                )
            ],
        )
        override(volume, "for_each", Expression(f"${{toset({volumes.fqn}.ids)}}"))
        machines = define(
            DataAwsInstances,
            self,
            "Machines",
            instance_tags={**tags, "Name": name},
            instance_state_names=["pending", "running", "stopping", "stopped"],
        )
        machine = define(DataAwsInstance, self, "Machine", instance_id=Expression("${each.value}"))
        override(
            machine,
            "for_each",
            Expression(f"${{toset(length({volumes.fqn}.ids) == 0 ? {machines.fqn}.ids : [])}}"),
        )
        zones = ", ".join(
            f"distinct([for found in {found.fqn} : found.availability_zone])"
            for found in (volume, machine)
        )
        subnets = define(
            DataAwsSubnets,
            self,
            "Subnets",
            filter=[
                define(DataAwsSubnetsFilter, name="default-for-az", values=["true"]),
                define(DataAwsSubnetsFilter, name="availability-zone", values=[]),
            ],
        )
        override(subnets, "filter.1.values", Expression(f'${{coalescelist({zones}, ["*"])}}'))
        self.subnet_id = Expression(f"${{sort({subnets.fqn}.ids)[0]}}")
