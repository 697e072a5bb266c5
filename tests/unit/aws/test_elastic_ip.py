"""The Elastic IP: attached to the machine, and after it."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from synthesis import counts, plain_machine, synth_of

from constructs_lib.aws.elastic_ip import ElasticIp


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
