"""The data volume: encrypted, never destroyed, detached from a machine that has stopped."""

from __future__ import annotations

from typing import Any

from synthesis import Json, counts, only, plain_machine, synth_of

from constructs_lib.aws.data_volume import DataVolume
from constructs_lib.terraform.literal import Expression

ZONE = "${data.aws_subnet.Data_Subnet.availability_zone}"


def volume(**changes: Any) -> Json:  # noqa: ANN401  (keywords of the construct)
    arguments: dict[str, Any] = {
        "name": "moor-test-data",
        "node": "manager-1",
        "subnet_id": "subnet-1",
        "size_gib": 20,
        "kind": "gp3",
        "iops": None,
        "throughput": None,
        **changes,
    }
    return synth_of(
        lambda stack: DataVolume(stack, "Data", machine=plain_machine(stack), **arguments)
    )


def test_it_is_encrypted_and_in_the_subnets_zone_and_nothing_destroys_it() -> None:
    document = volume()
    assert only(document, "aws_ebs_volume") == {
        "availability_zone": ZONE,
        "encrypted": True,
        "size": 20,
        "type": "gp3",
        "tags": {"Name": "moor-test-data", "data-volume": "manager-1"},
        "lifecycle": {"ignore_changes": ["availability_zone"], "prevent_destroy": True},
    }
    assert document["data"]["aws_subnet"] == {"Data_Subnet": {"id": "subnet-1"}}


def test_its_machine_stops_before_it_is_detached() -> None:
    attachment = only(volume(), "aws_volume_attachment")
    lifecycle = attachment.pop("lifecycle")
    assert attachment == {
        "device_name": "/dev/sdf",
        "instance_id": "${aws_instance.Machine.id}",
        "volume_id": "${aws_ebs_volume.Data.id}",
        "stop_instance_before_detaching": True,
    }
    assert lifecycle == {
        "precondition": [
            {
                "condition": "${aws_ebs_volume.Data.availability_zone == "
                "data.aws_subnet.Data_Subnet.availability_zone}",
                "error_message": "aws.network: must name a subnet in "
                "${aws_ebs_volume.Data.availability_zone}, the zone of the data volume "
                "${aws_ebs_volume.Data.id}, got ${data.aws_subnet.Data_Subnet.id} in "
                "${data.aws_subnet.Data_Subnet.availability_zone}; a volume stays in its zone",
            }
        ]
    }


def test_a_subnet_that_was_looked_up_is_not_somebodys_mistake() -> None:
    document = volume(subnet_id=Expression("${sort(data.aws_subnets.Here.ids)[0]}"))
    assert "lifecycle" not in only(document, "aws_volume_attachment")


def test_its_speed_is_what_was_asked_for() -> None:
    found = only(volume(iops=4000, throughput=500), "aws_ebs_volume")
    assert (found["iops"], found["throughput"]) == (4000, 500)


def test_there_is_one_of_each() -> None:
    found = counts(volume())
    assert {k: n for k, n in found.items() if "volume" in k or "subnet" in k} == {
        "aws_ebs_volume": 1,
        "aws_volume_attachment": 1,
        "data.aws_subnet": 1,
    }
