"""Security groups whose every rule is a resource of its own."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Final, cast

from cdktf_cdktf_provider_aws.security_group import SecurityGroup as SecurityGroupResource
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct

from constructs_lib.aws.firewall import EVERYWHERE
from constructs_lib.aws.port_range import PortRange, overlaps
from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.aws.firewall import IngressRule

_WITH_PORTS: Final = ("tcp", "udp")
"""The protocols whose ports EC2 tells apart: of any other one a rule lets in all of it.

Source: AWS, "Amazon EC2 API Reference", `IpPermission`.
"""

_SCTP: Final = "132"
"""Its number, by which EC2 knows it."""


class SecurityGroup(Construct):
    """A security group that lets in what its rules say, and everything out.

    One resource a rule: a changed network then shows in the plan as that rule and
    no other, and rules made by others beside it are left alone.

    Attributes:
        id: The group's id (a token, known after apply).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        display_name: str,
        description: str,
        ingress: Sequence[IngressRule],
        vpc_id: str | None = None,
    ) -> None:
        """Define the group and its rules.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the group.
            name: The group's name, unique in its VPC.
            display_name: The tag `Name`, which the AWS console shows.
            description: What the group is for. Changing it replaces the group.
            ingress: The rules; each port once for networks, and once for the group itself.
            vpc_id: The VPC; the default one where unset.

        Raises:
            ValueError: A port stands in two rules.
        """
        for from_group in (False, True):
            of_one_kind = [rule.ports for rule in ingress if rule.from_group is from_group]
            ports = [ports for ports in of_one_kind if isinstance(ports, PortRange)]
            if any(overlaps(ports)):
                listed = ", ".join(map(str, ports))
                msg = f"security group {name}: ingress: must name each port once, got {listed}"
                raise ValueError(msg)
        super().__init__(scope, id_)
        group = define(
            SecurityGroupResource,
            self,
            "Resource",
            name=name,
            description=description,
            vpc_id=vpc_id,
            tags={"Name": display_name},
        )
        self.id = Expression(group.id)
        inward = Construct(self, "Ingress")
        for rule in ingress:
            of_ports = _of(inward, rule)
            if rule.from_group:
                define(
                    VpcSecurityGroupIngressRule,
                    of_ports,
                    "self",
                    security_group_id=self.id,
                    description=rule.description,
                    **_ports(rule),
                    referenced_security_group_id=self.id,
                )
            for cidr in rule.cidrs:
                if of_ports.node.try_find_child(str(cidr)):
                    continue  # Two rules that let in all of SCTP are one.
                define(
                    VpcSecurityGroupIngressRule,
                    of_ports,
                    str(cidr),
                    security_group_id=self.id,
                    description=rule.description,
                    **_ports(rule),
                    cidr_ipv4=_v4(cidr),
                    cidr_ipv6=_v6(cidr),
                )
        outward = Construct(self, "Egress")
        for cidr in EVERYWHERE:
            define(
                VpcSecurityGroupEgressRule,
                outward,
                str(cidr),
                security_group_id=self.id,
                description="the machine may reach everything: updates, registries, AWS",
                ip_protocol="-1",
                cidr_ipv4=_v4(cidr),
                cidr_ipv6=_v6(cidr),
            )


def _of(inward: Construct, rule: IngressRule) -> Construct:
    """Return the namespace of a rule: its ids are what a deployment knows its resources by."""
    ports = rule.ports
    if not isinstance(ports, PortRange):
        return Construct(inward, ports.name)
    numbers = str(ports).partition("/")[0]
    id_ = f"{ports.protocol}-{numbers}" if ports.protocol in _WITH_PORTS else ports.protocol
    found = inward.node.try_find_child(id_)
    return Construct(inward, id_) if found is None else cast("Construct", found)


def _ports(rule: IngressRule) -> dict[str, Any]:
    """Return what EC2 is told of a rule's ports."""
    ports = rule.ports
    if not isinstance(ports, PortRange):
        return {"ip_protocol": str(ports.number)}
    if ports.protocol in _WITH_PORTS:
        return {"ip_protocol": ports.protocol, "from_port": ports.first, "to_port": ports.last}
    return {"ip_protocol": _SCTP}


def _v4(cidr: IPv4Network | IPv6Network) -> str | None:
    return str(cidr) if isinstance(cidr, IPv4Network) else None


def _v6(cidr: IPv4Network | IPv6Network) -> str | None:
    return str(cidr) if isinstance(cidr, IPv6Network) else None
