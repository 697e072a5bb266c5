"""The Elastic IP: attached to the machine, and after it."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from synthesis import counts, plain_machine, synth_of

from constructs_lib.aws.elastic_ip import ElasticIp
from constructs_lib.aws.network_interface import NetworkInterface
from constructs_lib.aws.security_group import SecurityGroup


def test_it_is_attached_to_the_machine_and_waits_for_it() -> None:
    def define(stack: TerraformStack) -> None:
        address = ElasticIp(stack, "Address", name="moor-test", machine=plain_machine(stack))
        TerraformOutput(stack, "address", value=address.public_ip)

    document = synth_of(define)
    assert counts(document)["aws_eip"] == 1
    assert document["resource"]["aws_eip"] == {
        "Address": {
            "domain": "vpc",
            "instance": "${aws_instance.Machine.id}",
            "tags": {"Name": "moor-test"},
            "depends_on": ["aws_instance.Machine"],
        }
    }
    assert document["output"]["address"]["value"] == "${aws_eip.Address.public_ip}"


def test_on_an_interface_it_stays_while_one_machine_replaces_another() -> None:
    def define(stack: TerraformStack) -> None:
        group = SecurityGroup(stack, "G", name="g", display_name="g", description="g", ingress=[])
        interface = NetworkInterface(
            stack, "Interface", name="a", subnet_id="subnet-00000000", security_groups=[group]
        )
        machine = plain_machine(stack)
        ElasticIp(stack, "Address", name="a", machine=machine, interface=interface)

    assert synth_of(define)["resource"]["aws_eip"] == {
        "Address": {
            "domain": "vpc",
            "network_interface": "${aws_network_interface.Interface.id}",
            "tags": {"Name": "a"},
            "depends_on": ["aws_instance.Machine"],
        }
    }
