"""Where machines stand: where their volumes are, or where they are already."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from synthesis import counts, synth_of

from constructs_lib.aws.kept_place import KeptPlace, KeptPlaces
from constructs_lib.aws.subnets import DefaultSubnets

TAGS = {"project": "moor", "environment": "test"}


def test_the_zone_is_the_volumes_or_the_machines_or_any() -> None:
    def define(stack: TerraformStack) -> None:
        place = KeptPlace(stack, "Place", tags=TAGS, name="moor-test", node="manager-1")
        TerraformOutput(stack, "Found", value=place.subnet_id)

    document = synth_of(define)
    assert counts(document) == {
        "data.aws_ebs_volume": 1,
        "data.aws_ebs_volumes": 1,
        "data.aws_instance": 1,
        "data.aws_instances": 1,
        "data.aws_subnets": 1,
    }
    data = document["data"]
    assert data["aws_ebs_volumes"]["Place_Volumes"]["filter"] == [
        {"name": "tag:project", "values": ["moor"]},
        {"name": "tag:environment", "values": ["test"]},
        {"name": "tag:data-volume", "values": ["manager-1"]},
    ]
    assert data["aws_instances"]["Place_Machines"]["instance_tags"] == TAGS | {"Name": "moor-test"}
    # A machine counts only where no volume is: what there was may be in another zone.
    assert data["aws_instance"]["Place_Machine"]["for_each"] == (
        "${toset(length(data.aws_ebs_volumes.Place_Volumes.ids) == 0 ? "
        "data.aws_instances.Place_Machines.ids : [])}"
    )
    assert data["aws_subnets"]["Place_Subnets"]["filter"] == [
        {"name": "default-for-az", "values": ["true"]},
        {
            "name": "availability-zone",
            "values": "${coalescelist("
            "distinct([for found in data.aws_ebs_volume.Place_Volume : found.availability_zone]), "
            "distinct([for found in data.aws_instance.Place_Machine : found.availability_zone]), "
            '["*"])}',
        },
    ]
    assert document["output"]["Found"]["value"] == (
        "${sort(data.aws_subnets.Place_Subnets.ids)[0]}"
    )


def test_a_node_stands_where_its_volume_is_or_in_its_turn() -> None:
    def define(stack: TerraformStack) -> None:
        subnets = DefaultSubnets(stack, "Subnets")
        places = KeptPlaces(stack, "Places", tags=TAGS, subnets=subnets)
        TerraformOutput(stack, "Found", value=places.at(4, node="web-1"))

    document = synth_of(define)
    assert document["data"]["aws_ebs_volumes"]["Places_Volumes"]["filter"] == [
        {"name": "tag:project", "values": ["moor"]},
        {"name": "tag:environment", "values": ["test"]},
        {"name": "tag-key", "values": ["data-volume"]},
    ]
    assert document["output"]["Found"]["value"] == (
        "${try([for id, found in data.aws_subnet.Places_Subnet : id if contains([for found in "
        "data.aws_ebs_volume.Places_Volume : found.availability_zone if lookup(found.tags, "
        '"data-volume", "") == "web-1"], found.availability_zone)][0], '
        "element(sort(data.aws_subnets.Subnets.ids), 4))}"
    )
