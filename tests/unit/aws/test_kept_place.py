"""Where the one machine stands: where its volume is, or where it is already."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from synthesis import counts, synth_of

from constructs_lib.aws.kept_place import KeptPlace

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
