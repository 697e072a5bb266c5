"""Where machines have to stand, so that their data volumes reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.data_aws_ebs_volume import DataAwsEbsVolume, DataAwsEbsVolumeFilter
from cdktf_cdktf_provider_aws.data_aws_ebs_volumes import DataAwsEbsVolumes, DataAwsEbsVolumesFilter
from cdktf_cdktf_provider_aws.data_aws_instance import DataAwsInstance
from cdktf_cdktf_provider_aws.data_aws_instances import DataAwsInstances
from cdktf_cdktf_provider_aws.data_aws_subnet import DataAwsSubnet
from cdktf_cdktf_provider_aws.data_aws_subnets import DataAwsSubnets, DataAwsSubnetsFilter
from constructs import Construct

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.terraform.literal import Expression, define, override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.aws.subnets import DefaultSubnets


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
        volumes, volume = _volumes(self, {**_of_tags(tags), f"tag:{DATA_VOLUME_TAG}": node})
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


class KeptPlaces(Construct):
    """Default subnets for the nodes of a swarm, where the settings name no network.

    A node stands in the zone of its data volume where there is one, and else in its turn. All of it
    is looked up during the plan, once for all nodes.
    """

    def __init__(
        self, scope: Construct, id_: str, *, tags: Mapping[str, str], subnets: DefaultSubnets
    ) -> None:
        """Define the look-ups.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            tags: The tags of every AWS resource of the environment.
            subnets: The subnets that nodes stand in by turns.
        """
        super().__init__(scope, id_)
        self._subnets = subnets
        _, volume = _volumes(self, {**_of_tags(tags), "tag-key": DATA_VOLUME_TAG})
        subnet = define(DataAwsSubnet, self, "Subnet", id=Expression("${each.value}"))
        override(subnet, "for_each", Expression(f"${{toset({subnets.reference})}}"))
        self._volume, self._subnet = volume.fqn, subnet.fqn

    def at(self, place: int, *, node: str) -> Expression:
        """Return the id of a node's subnet.

        Args:
            place: Whose turn it is, as `DefaultSubnets.at` takes it.
            node: Whose volume it is, as `DataVolume` notes it.
        """
        zones = (
            f"[for found in {self._volume} : found.availability_zone "
            f'if lookup(found.tags, "{DATA_VOLUME_TAG}", "") == "{node}"]'
        )
        theirs = (
            f"[for id, found in {self._subnet} : id if contains({zones}, found.availability_zone)]"
        )
        turn = f"element(sort({self._subnets.reference}), {place})"
        return Expression(f"${{try({theirs}[0], {turn})}}")


def _of_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"tag:{key}": value for key, value in tags.items()}


def _volumes(
    scope: Construct, filters: Mapping[str, str]
) -> tuple[DataAwsEbsVolumes, DataAwsEbsVolume]:
    """Look for volumes by EC2's filters: all ids, and each volume by its id."""
    volumes = define(
        DataAwsEbsVolumes,
        scope,
        "Volumes",
        filter=[
            define(DataAwsEbsVolumesFilter, name=name, values=[value])
            for name, value in filters.items()
        ],
    )
    volume = define(
        DataAwsEbsVolume,
        scope,
        "Volume",
        filter=[
            define(DataAwsEbsVolumeFilter, name="volume-id", values=[Expression("${each.value}")])
        ],
    )
    override(volume, "for_each", Expression(f"${{toset({volumes.fqn}.ids)}}"))
    return volumes, volume
