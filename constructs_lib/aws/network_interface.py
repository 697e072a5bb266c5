"""A network interface: the private address that outlives the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.network_interface import NetworkInterface as Resource
from constructs import Construct

from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.aws.security_group import SecurityGroup


class NetworkInterface(Construct):
    """A network interface, for a machine that may be replaced behind it.

    A manager of a swarm must not change its private address: the others know it by that. So the
    address belongs to an interface, and the machine gets that one.

    Attributes:
        resource: The interface, for `depends_on`.
        id: The interface's id (a token, known after apply).
        private_ip: Its first private IPv4 address (likewise).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        subnet_id: str,
        security_groups: Sequence[SecurityGroup],
    ) -> None:
        """Define the interface.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it gives another address.
            name: The tag `Name`.
            subnet_id: The subnet that it stands in. Where that was looked up, and is an
                expression, the interface stays where it is whatever is found later.
            security_groups: Its groups; one or more.

        Raises:
            ValueError: No group is given.
        """
        if not security_groups:
            msg = (
                f"network interface {name}: security_groups: must name at least one group, got none"
            )
            raise ValueError(msg)
        super().__init__(scope, id_)
        looked_up = isinstance(subnet_id, Expression)
        self.resource = define(
            Resource,
            self,
            "Resource",
            subnet_id=subnet_id,
            security_groups=[group.id for group in security_groups],
            tags={"Name": name},
            # A zone that AWS adds to the region must not move machines that run.
            lifecycle=(
                TerraformResourceLifecycle(ignore_changes=["subnet_id"]) if looked_up else None
            ),
        )
        self.id = Expression(self.resource.id)
        self.private_ip = Expression(self.resource.private_ip)
