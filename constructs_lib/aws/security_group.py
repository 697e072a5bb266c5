"""Security groups whose every rule is a resource of its own."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.security_group import SecurityGroup as SecurityGroupResource
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct

from constructs_lib.aws.firewall import EVERYWHERE
from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.aws.firewall import IngressRule


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
            ingress: The rules; each port once.
            vpc_id: The VPC; the default one where unset.

        Raises:
            ValueError: A port stands in two rules.
        """
        ports = [rule.port for rule in ingress]
        if len(set(ports)) != len(ports):
            msg = f"security group {name}: ingress: must name each port once, got {ports}"
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
            of_port = Construct(inward, f"tcp-{rule.port}")
            for cidr in rule.cidrs:
                define(
                    VpcSecurityGroupIngressRule,
                    of_port,
                    str(cidr),
                    security_group_id=self.id,
                    description=rule.description,
                    ip_protocol="tcp",
                    from_port=rule.port,
                    to_port=rule.port,
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


def _v4(cidr: IPv4Network | IPv6Network) -> str | None:
    return str(cidr) if isinstance(cidr, IPv4Network) else None


def _v6(cidr: IPv4Network | IPv6Network) -> str | None:
    return str(cidr) if isinstance(cidr, IPv6Network) else None
