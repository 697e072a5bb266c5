"""The machine: what replaces it, what does not, and who may read its metadata."""

from __future__ import annotations

from typing import Any

import pytest
from cdktf import TerraformOutput, TerraformStack
from synthesis import Json, counts, new_stack, only, plain_machine, synth_of

from constructs_lib.aws.limits import USER_DATA_LIMIT
from constructs_lib.aws.machine import Machine
from constructs_lib.aws.machine_image import MachineImage
from constructs_lib.aws.security_group import SecurityGroup

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ moor-test"
IMAGE = MachineImage(
    id=None, owner="075585003325", name="Flatcar-stable-*-hvm", architecture="x86_64"
)


def define(
    stack: TerraformStack, *, groups: tuple[str, ...] = ("A", "B"), **changes: object
) -> None:
    arguments: dict[str, Any] = {
        "name": "moor-test",
        "image": IMAGE,
        "instance_type": "t3.small",
        "user_data": "#cloud-config\n",
        "root_volume_gib": 20,
        "public_key": PUBLIC_KEY,
        **changes,
    }
    made = [
        SecurityGroup(stack, g, name=g, display_name=g, description=g, ingress=[]) for g in groups
    ]
    Machine(stack, "Machine", security_groups=made, **arguments)


def machine(**changes: Any) -> Json:  # noqa: ANN401
    return synth_of(lambda stack: define(stack, **changes))


def test_the_default_path() -> None:
    document = machine()
    assert counts(document) == {
        "aws_instance": 1,
        "aws_key_pair": 1,
        "aws_security_group": 2,
        "aws_vpc_security_group_egress_rule": 4,
        "data.aws_ami": 1,
    }
    assert document["resource"]["aws_key_pair"] == {
        "Machine_KeyPair": {"key_name": "moor-test", "public_key": PUBLIC_KEY}
    }
    assert document["resource"]["aws_instance"] == {
        "Machine": {
            "ami": "${data.aws_ami.Machine_Image.id}",
            "instance_type": "t3.small",
            "key_name": "${aws_key_pair.Machine_KeyPair.key_name}",
            "vpc_security_group_ids": [
                "${aws_security_group.A.id}",
                "${aws_security_group.B.id}",
            ],
            "user_data": "#cloud-config\n",
            "user_data_replace_on_change": True,
            "metadata_options": {
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            "root_block_device": {"encrypted": True, "volume_type": "gp3", "volume_size": 20},
            "tags": {"Name": "moor-test"},
            "lifecycle": {
                "ignore_changes": ["ami"],
                # Without ${…}: Terraform refuses an expression here.
                "replace_triggered_by": ["aws_key_pair.Machine_KeyPair"],
            },
        }
    }


def test_an_existing_key_pair_is_named_and_none_is_made() -> None:
    document = machine(public_key=None, key_name="mine")
    assert "aws_key_pair" not in document["resource"]
    instance = only(document, "aws_instance")
    assert instance["key_name"] == "mine"
    assert instance["lifecycle"] == {"ignore_changes": ["ami"]}


def test_an_explicit_image_and_subnet() -> None:
    image = MachineImage(id="ami-0123456789abcdef0", owner="", name="", architecture="")
    document = machine(image=image, subnet_id="subnet-0123456789abcdef0")
    assert "data" not in document
    instance = only(document, "aws_instance")
    assert instance["ami"] == "ami-0123456789abcdef0"
    assert instance["subnet_id"] == "subnet-0123456789abcdef0"


def test_its_id_refers_to_the_instance() -> None:
    document = synth_of(lambda stack: TerraformOutput(stack, "id", value=plain_machine(stack).id))
    assert document["output"]["id"]["value"] == "${aws_instance.Machine.id}"


def refusal(**changes: Any) -> str:  # noqa: ANN401
    stack = new_stack()
    with pytest.raises(ValueError, match=r"^machine moor-test: ") as caught:
        define(stack, **changes)
    assert stack.node.try_find_child("Machine") is None, "nothing half-built stays in the tree"
    return str(caught.value)


@pytest.mark.parametrize(
    ("user_data", "size"), [("x" * (USER_DATA_LIMIT + 1), 16385), ("é" * 8193, 16386)]
)
def test_it_fails_when_user_data_is_too_large(user_data: str, size: int) -> None:
    assert refusal(user_data=user_data) == (
        f"machine moor-test: user data: must be at most 16384 bytes, got {size}"
    )


def test_user_data_may_be_as_large_as_the_limit() -> None:
    largest = "é" * (USER_DATA_LIMIT // 2)
    assert only(machine(user_data=largest), "aws_instance")["user_data"] == largest


def test_it_fails_when_it_has_no_group() -> None:
    assert refusal(groups=()) == (
        "machine moor-test: security_groups: must name at least one group, got none"
    )


@pytest.mark.parametrize(
    "keys", [{"public_key": None, "key_name": None}, {"public_key": PUBLIC_KEY, "key_name": "k"}]
)
def test_it_fails_when_it_has_both_kinds_of_key_or_none(keys: dict[str, str | None]) -> None:
    assert refusal(**keys) == (
        "machine moor-test: must have either public_key or key_name, got both or neither"
    )
