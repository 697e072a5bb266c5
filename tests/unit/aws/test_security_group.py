"""Security groups: each rule in full."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

import pytest
from synthesis import Json, counts, new_stack, only, synth_of

from constructs_lib.aws.firewall import IngressRule
from constructs_lib.aws.security_group import SecurityGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFICE = IPv4Network("203.0.113.0/24")
HOME = IPv6Network("2001:db8::/32")


def group(ingress: Sequence[IngressRule], *, vpc_id: str | None = None) -> Json:
    return synth_of(
        lambda stack: SecurityGroup(
            stack,
            "AllowSsh",
            name="moor-allow-ssh",
            display_name="allow-ssh",
            description="SSH to the Docker host",
            ingress=ingress,
            vpc_id=vpc_id,
        )
    )


def test_it_is_one_resource_a_rule_and_nothing_else() -> None:
    document = group([IngressRule(port=22, cidrs=(OFFICE, HOME), description="operators")])
    assert counts(document) == {
        "aws_security_group": 1,
        "aws_vpc_security_group_ingress_rule": 2,
        "aws_vpc_security_group_egress_rule": 2,
    }
    assert document["resource"]["aws_security_group"] == {
        "AllowSsh": {
            "name": "moor-allow-ssh",
            "description": "SSH to the Docker host",
            "tags": {"Name": "allow-ssh"},
        }
    }


def test_the_rules_are_exactly_these() -> None:
    document = group([IngressRule(port=22, cidrs=(OFFICE, HOME), description="operators")])
    reference = "${aws_security_group.AllowSsh.id}"
    inward = {
        "security_group_id": reference,
        "description": "operators",
        "ip_protocol": "tcp",
        "from_port": 22,
        "to_port": 22,
    }
    outward = {
        "security_group_id": reference,
        "description": "the machine may reach everything: updates, registries, AWS",
        "ip_protocol": "-1",
    }
    rules = document["resource"]
    assert list(rules["aws_vpc_security_group_ingress_rule"].values()) == [
        {**inward, "cidr_ipv6": "2001:db8::/32"},
        {**inward, "cidr_ipv4": "203.0.113.0/24"},
    ]
    assert list(rules["aws_vpc_security_group_egress_rule"].values()) == [
        {**outward, "cidr_ipv6": "::/0"},
        {**outward, "cidr_ipv4": "0.0.0.0/0"},
    ]


def test_each_port_has_its_own_rules() -> None:
    document = group(
        [
            IngressRule(port=80, cidrs=(OFFICE,), description="web"),
            IngressRule(port=443, cidrs=(HOME,), description="web, encrypted"),
        ]
    )
    rules = document["resource"]["aws_vpc_security_group_ingress_rule"].values()
    assert [
        (r["from_port"], r["to_port"], r.get("cidr_ipv4"), r.get("cidr_ipv6"), r["description"])
        for r in rules
    ] == [
        (443, 443, None, "2001:db8::/32", "web, encrypted"),
        (80, 80, "203.0.113.0/24", None, "web"),
    ]


def test_without_rules_nothing_gets_in() -> None:
    assert counts(group([])) == {
        "aws_security_group": 1,
        "aws_vpc_security_group_egress_rule": 2,
    }


def test_the_default_vpc_is_left_to_aws() -> None:
    assert "vpc_id" not in only(group([]), "aws_security_group")


def test_a_vpc_of_your_own() -> None:
    found = only(group([], vpc_id="vpc-0123456789abcdef0"), "aws_security_group")
    assert found["vpc_id"] == "vpc-0123456789abcdef0"


def test_it_fails_when_a_port_stands_in_two_rules() -> None:
    rule = IngressRule(port=22, cidrs=(OFFICE,), description="operators")
    stack = new_stack()
    with pytest.raises(ValueError, match=r"^security group g: ") as caught:
        SecurityGroup(stack, "G", name="g", display_name="g", description="g", ingress=[rule, rule])
    assert str(caught.value) == (
        "security group g: ingress: must name each port once, got [22, 22]"
    )
    assert stack.node.try_find_child("G") is None, "nothing half-built stays in the tree"
