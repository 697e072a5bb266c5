"""The Elastic IP: the address that outlives the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.eip import Eip
from constructs import Construct

from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from constructs_lib.aws.machine import Machine
    from constructs_lib.aws.network_interface import NetworkInterface


class ElasticIp(Construct):
    """An Elastic IP attached to a machine, or to the interface that outlives it.

    The address to publish is this one: an instance's own `public_ip` changes once an
    Elastic IP is attached to it.

    Attributes:
        resource: The Elastic IP, for `depends_on`.
        public_ip: The IPv4 address (a token, known after apply).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        machine: Machine,
        interface: NetworkInterface | None = None,
    ) -> None:
        """Define the address and its association.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it gives another address.
            name: The tag `Name`.
            machine: The machine that it is attached to.
            interface: The network interface that the machine has, where that outlives it: the
                address then stays on it while one machine replaces another.
        """
        super().__init__(scope, id_)
        self.resource = define(
            Eip,
            self,
            "Resource",
            domain="vpc",
            instance=None if interface else machine.id,
            network_interface=interface.id if interface else None,
            tags={"Name": name},
            # EC2 attaches an address only to a machine that exists.
            depends_on=[machine.instance],
        )
        self.public_ip = Expression(self.resource.public_ip)
