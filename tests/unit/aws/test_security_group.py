"""Security groups: each rule in full."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

import pytest
from synthesis import Json, counts, new_stack, only, synth_of

from constructs_lib.aws.firewall import ESP, EVERYWHERE, IngressRule
from constructs_lib.aws.port_range import PortRange
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
    document = group(
        [IngressRule(ports=PortRange.single(22), cidrs=(OFFICE, HOME), description="operators")]
    )
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
    document = group(
        [IngressRule(ports=PortRange.single(22), cidrs=(OFFICE, HOME), description="operators")]
    )
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
            IngressRule(ports=PortRange.single(80), cidrs=(OFFICE,), description="web"),
            IngressRule(ports=PortRange.single(443), cidrs=(HOME,), description="web, encrypted"),
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


def told(ports: Sequence[PortRange], cidrs: tuple[IPv4Network, ...] = (OFFICE,)) -> Json:
    """Return what is told of a rule, by the id that a deployment knows it by."""
    document = group([IngressRule(ports=p, cidrs=cidrs, description="x") for p in ports])
    found = document["resource"].get("aws_vpc_security_group_ingress_rule", {})
    return {
        name: {key: value for key, value in rule.items() if "port" in key or "protocol" in key}
        for name, rule in found.items()
    }


def test_udp_and_a_range_are_one_rule_each_beside_tcp_of_the_same_number() -> None:
    ports = (
        PortRange.single(53),
        PortRange.single(53, "udp"),
        PortRange(10000, 10999, "udp"),
        PortRange(8000, 8010),
    )
    assert list(told(ports).values()) == [
        {"ip_protocol": "tcp", "from_port": 53, "to_port": 53},
        {"ip_protocol": "tcp", "from_port": 8000, "to_port": 8010},
        {"ip_protocol": "udp", "from_port": 10000, "to_port": 10999},
        {"ip_protocol": "udp", "from_port": 53, "to_port": 53},
    ]


def test_the_id_of_a_rule_is_what_it_always_was() -> None:
    stack = new_stack()
    made = SecurityGroup(
        stack,
        "G",
        name="g",
        display_name="g",
        description="g",
        ingress=[
            IngressRule(ports=ports, cidrs=EVERYWHERE[:1], description="x")
            for ports in (PortRange.single(443), PortRange(53, 60, "udp"))
        ],
    )
    inward = made.node.find_child("Ingress")
    assert sorted(c.node.path for c in inward.node.find_all() if not c.node.children) == [
        f"{stack.node.id}/G/Ingress/tcp-443/0.0.0.0--0",
        f"{stack.node.id}/G/Ingress/udp-53-60/0.0.0.0--0",
    ]


def test_of_sctp_there_is_one_rule_since_ec2_knows_no_ports_of_it() -> None:
    ports = (PortRange.single(2905, "sctp"), PortRange(3868, 3870, "sctp"))
    assert list(told(ports).values()) == [{"ip_protocol": "132"}]


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
    rule = IngressRule(ports=PortRange.single(22), cidrs=(OFFICE,), description="operators")
    stack = new_stack()
    with pytest.raises(ValueError, match=r"^security group g: ") as caught:
        SecurityGroup(stack, "G", name="g", display_name="g", description="g", ingress=[rule, rule])
    assert str(caught.value) == ("security group g: ingress: must name each port once, got 22, 22")
    assert stack.node.try_find_child("G") is None, "nothing half-built stays in the tree"


def test_the_machines_of_the_group_itself_may_be_let_in_and_a_protocol_without_ports() -> None:
    rules = [
        IngressRule(ports=ports, from_group=True, description="among themselves")
        for ports in (PortRange.single(2377), PortRange.single(4789, "udp"), ESP)
    ]
    of_the_group = {
        "security_group_id": "${aws_security_group.AllowSsh.id}",
        "referenced_security_group_id": "${aws_security_group.AllowSsh.id}",
        "description": "among themselves",
    }
    assert group(rules)["resource"]["aws_vpc_security_group_ingress_rule"] == {
        "AllowSsh_Ingress_tcp-2377_self": {
            **of_the_group,
            "ip_protocol": "tcp",
            "from_port": 2377,
            "to_port": 2377,
        },
        "AllowSsh_Ingress_udp-4789_self": {
            **of_the_group,
            "ip_protocol": "udp",
            "from_port": 4789,
            "to_port": 4789,
        },
        "AllowSsh_Ingress_esp_self": {**of_the_group, "ip_protocol": "50"},
    }
