"""The network interface: where it stands, and that nothing which is looked up moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from synthesis import Json, new_stack, only, synth_of

from constructs_lib.aws.network_interface import NetworkInterface
from constructs_lib.aws.security_group import SecurityGroup
from constructs_lib.terraform.literal import Expression

if TYPE_CHECKING:
    from cdktf import TerraformStack

SUBNET = "subnet-0123456789abcdef0"


def define(stack: TerraformStack, subnet: str) -> NetworkInterface:
    groups = [
        SecurityGroup(stack, g, name=g, display_name=g, description=g, ingress=[]) for g in "AB"
    ]
    return NetworkInterface(stack, "Interface", name="x", subnet_id=subnet, security_groups=groups)


def interface(subnet: str) -> Json:
    return only(synth_of(lambda stack: define(stack, subnet)), "aws_network_interface")


def test_it_has_the_groups_in_the_subnet_that_is_named() -> None:
    assert interface(SUBNET) == {
        "subnet_id": SUBNET,
        "security_groups": ["${aws_security_group.A.id}", "${aws_security_group.B.id}"],
        "tags": {"Name": "x"},
    }


def test_it_stays_where_it_is_where_the_subnet_is_looked_up() -> None:
    found = interface(Expression("${data.aws_subnets.Subnets.ids[0]}"))
    assert found["lifecycle"] == {"ignore_changes": ["subnet_id"]}


def test_its_id_and_address_refer_to_the_interface() -> None:
    found = define(new_stack(), SUBNET)
    assert isinstance(found.id, Expression)
    assert isinstance(found.private_ip, Expression)
    assert found.id != found.private_ip


def test_it_fails_when_it_has_no_group() -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match="security_groups") as caught:
        NetworkInterface(stack, "Interface", name="x", subnet_id=SUBNET, security_groups=[])
    assert str(caught.value) == (
        "network interface x: security_groups: must name at least one group, got none"
    )
    assert stack.node.try_find_child("Interface") is None
