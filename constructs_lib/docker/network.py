"""Docker networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cdktf_cdktf_provider_docker.network import Network as NetworkResource
from cdktf_cdktf_provider_docker.network import NetworkIpamConfig, NetworkLabels
from constructs import Construct

from constructs_lib.terraform.literal import Expression, define

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdktf import ITerraformDependable


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRange:
    """Addresses of a network.

    Attributes:
        subnet: The network's addresses.
        ip_range: Those that containers get.
        gateway: The machine's address there.
        aux_addresses: Addresses that are taken, by name.
    """

    subnet: str | None = None
    ip_range: str | None = None
    gateway: str | None = None
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalNetwork:
    """A network that is on the machine already.

    Attributes:
        name: Its name.
    """

    name: str

    @property
    def id(self) -> str:
        """What stands for it in a container: its name, since nobody here knows more."""
        return self.name


class Network(Construct):
    """A network of its own: its containers reach each other by name.

    Attributes:
        name: The network's name (a token, so that what uses it is created after it).
        id: The network's id (a token, known after apply, so that what uses it is replaced
            together with it).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        driver: str | None = None,
        driver_opts: Mapping[str, str] | None = None,
        internal: bool | None = None,
        attachable: bool | None = None,
        ipv6: bool | None = None,
        ipam_driver: str | None = None,
        addresses: Sequence[AddressRange] = (),
        labels: Mapping[str, str] | None = None,
        depends_on: Sequence[ITerraformDependable] = (),
    ) -> None:
        """Define the network.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the network.
            name: The network's name on the engine.
            driver: Its driver; `bridge` by default.
            driver_opts: Options of the driver.
            internal: Whether it has no way out.
            attachable: Whether single containers may join it in a swarm.
            ipv6: Whether it has IPv6.
            ipam_driver: Its driver of addresses.
            addresses: Its addresses; the engine chooses where empty.
            labels: Its labels.
            depends_on: What must exist before it.
        """
        super().__init__(scope, id_)
        resource = define(
            NetworkResource,
            self,
            "Resource",
            name=name,
            driver=driver,
            options=driver_opts or None,
            internal=internal,
            attachable=attachable,
            ipv6=ipv6,
            ipam_driver=ipam_driver,
            ipam_config=[
                define(
                    NetworkIpamConfig,
                    subnet=a.subnet,
                    ip_range=a.ip_range,
                    gateway=a.gateway,
                    aux_address=a.aux_addresses or None,
                )
                for a in addresses
            ]
            or None,
            labels=[
                define(NetworkLabels, label=k, value=v) for k, v in sorted((labels or {}).items())
            ]
            or None,
            depends_on=list(depends_on) or None,
        )
        self.name = Expression(resource.name)
        self.id = Expression(resource.id)
