"""The machine: what replaces it, what does not, and who may read its metadata."""

from __future__ import annotations

from typing import Any

import pytest
from cdktf import TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.key_pair import KeyPair
from synthesis import Json, counts, new_stack, only, plain_machine, synth_of

from constructs_lib.aws.limits import USER_DATA_LIMIT
from constructs_lib.aws.machine import Machine
from constructs_lib.aws.machine_image import MachineImage
from constructs_lib.aws.network_interface import NetworkInterface
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
    "keys",
    [
        {"public_key": None},
        {"key_name": "k"},
        {"key_pair": object()},
        {"key_name": "k", "key_pair": object(), "public_key": None},
    ],
)
def test_it_fails_when_it_has_several_kinds_of_key_or_none(keys: dict[str, object]) -> None:
    assert refusal(**keys) == (
        "machine moor-test: must have one of public_key, key_name and key_pair, got several or none"
    )


# On a network interface that outlives it


def with_interface(stack: TerraformStack, **changes: Any) -> Machine:  # noqa: ANN401
    group = SecurityGroup(stack, "G", name="g", display_name="g", description="g", ingress=[])
    interface = NetworkInterface(
        stack, "Interface", name="web-1", subnet_id="subnet-0123456789abcdef0",
        security_groups=[group],
    )  # fmt: skip
    arguments: dict[str, Any] = {
        "name": "web-1",
        "image": IMAGE,
        "instance_type": "t3.small",
        "user_data": "#cloud-config\n",
        "root_volume_gib": 20,
        "interface": interface,
        **changes,
    }
    return Machine(stack, arguments.pop("id_", "Machine"), **arguments)


def test_on_an_interface_it_has_no_groups_and_no_subnet_of_its_own() -> None:
    instance = only(synth_of(lambda stack: with_interface(stack, key_name="k")), "aws_instance")
    assert instance["network_interface"] == [
        {"device_index": 0, "network_interface_id": "${aws_network_interface.Interface.id}"}
    ]
    assert "vpc_security_group_ids" not in instance
    assert "subnet_id" not in instance


@pytest.mark.parametrize(
    "given", [{"subnet_id": "subnet-0123456789abcdef0"}, {"security_groups": [object()]}]
)
def test_it_fails_when_it_has_an_interface_and_what_is_the_interfaces(
    given: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match="interface") as caught:
        with_interface(new_stack(), key_name="k", **given)
    assert str(caught.value) == (
        "machine web-1: interface: must come without security_groups and subnet_id, which are the "
        "interface's own, got both"
    )


def test_machines_may_share_a_key_pair_and_are_replaced_with_it() -> None:
    def shared(stack: TerraformStack) -> None:
        pair = KeyPair(stack, "KeyPair", key_name="moor-test", public_key=PUBLIC_KEY)
        with_interface(stack, key_pair=pair)

    document = synth_of(shared)
    assert counts(document)["aws_key_pair"] == 1
    instance = only(document, "aws_instance")
    assert instance["key_name"] == "${aws_key_pair.KeyPair.key_name}"
    assert instance["lifecycle"]["replace_triggered_by"] == ["aws_key_pair.KeyPair"]


def test_machines_may_share_the_look_up_of_an_image() -> None:
    def shared(stack: TerraformStack) -> None:
        with_interface(stack, key_name="k", image=IMAGE.resolved(stack, "Image"))

    document = synth_of(shared)
    assert counts(document)["data.aws_ami"] == 1
    assert only(document, "aws_instance")["ami"] == "${data.aws_ami.Image.id}"
