"""Every opening of the machine: which ports, to whom, and why.

An opening is added in `groups`, and nowhere else: the AWS stack makes the security groups of
it, the settings refuse a port that two openings name, and the services may publish those ports
that are opened for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

from constructs_lib.aws.port_range import PortRange

if TYPE_CHECKING:
    from constructs_lib.settings.settings import AwsSettings

EVERYWHERE: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


WEB: Final = "AllowAllHttpHttps"
SSH: Final = "allow-ssh"
"""The id of the group of the web services, which a load balancer is in, too."""


@dataclass(frozen=True, slots=True)
class IpProtocol:
    """A protocol of the internet that knows no ports.

    Attributes:
        number: Its number, 0 to 255, by which EC2 knows it (Source: IANA, "Protocol Numbers").
        name: Its name.
    """

    number: int
    name: str

    def __str__(self) -> str:
        """Return its name."""
        return self.name


ESP: Final = IpProtocol(50, "esp")
"""What IPsec encrypts packets with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressRule:
    """Ports in a row, open to some networks or to the machines of the same group.

    Attributes:
        ports: The ports and their protocol: one rule, however many they are; or a protocol
            without ports.
        cidrs: The networks that may connect: one or more, each once.
        from_group: Whether the machines of the same group may connect, and no network.
        description: Why the port is open; at most 255 characters, and never empty.

    Raises:
        ValueError: A value is outside of its range.
    """

    ports: PortRange | IpProtocol
    cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    from_group: bool = False
    description: str

    def __post_init__(self) -> None:
        """Check the ranges that EC2 would only refuse during the deployment."""
        if self.cidrs and self.from_group:
            listed = ", ".join(str(c) for c in self.cidrs)
            msg = f"ingress rule: cidrs: must name none beside from_group, got {listed}"
            raise ValueError(msg)
        if not self.cidrs and not self.from_group:
            msg = f"ingress rule: cidrs: must name a network for port {self.ports}, got none"
            raise ValueError(msg)
        if len(set(self.cidrs)) != len(self.cidrs):
            listed = ", ".join(str(c) for c in self.cidrs)
            msg = f"ingress rule: cidrs: must name each network once, got {listed}"
            raise ValueError(msg)
        if not 1 <= len(self.description) <= 255:  # noqa: PLR2004
            msg = (
                "ingress rule: description: must be 1 to 255 characters, "
                f"got {len(self.description)}"
            )
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The ports of one setting, open to some networks or to the machines among themselves.

    Attributes:
        setting: The key under `aws` that names the ports, such as `ssh.port`.
        ports: The ports, in ranges of which no two share one.
        protocols: What has no ports and is open all the same.
        cidrs: The networks that may connect: one or more, each once.
        from_group: Whether the machines of the same group may connect, and no network.
        description: Why they are open; each rule says it.
        guard: What somebody who may connect has to have as well; empty for nothing.
        for_services: Whether services answer there. Else the machine itself does, and a
            service must not publish these ports.
    """

    setting: str
    ports: tuple[PortRange, ...]
    cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    from_group: bool = False
    protocols: tuple[IpProtocol, ...] = ()
    description: str
    guard: str = ""
    for_services: bool = False

    @property
    def everything(self) -> tuple[PortRange | IpProtocol, ...]:
        """What is open: ports, and protocols that have none."""
        return (*self.ports, *self.protocols)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A security group, as a value.

    Attributes:
        id: The construct's id; changing it replaces the group.
        name: What its name ends in, after the environment's, and what the AWS console shows.
        description: What the group is for. Changing it replaces the group.
        openings: What it lets in.
    """

    id: str
    name: str
    description: str
    openings: tuple[Opening, ...]

    @property
    def ingress(self) -> tuple[IngressRule, ...]:
        """The rules, one a port or a range of them.

        Raises:
            ValueError: A value of an opening is outside of its range.
        """
        return tuple(
            IngressRule(
                ports=ports,
                cidrs=opening.cidrs,
                from_group=opening.from_group,
                description=opening.description,
            )
            for opening in self.openings
            for ports in opening.everything
        )


def _among_machines(
    *ports: PortRange, description: str, protocols: tuple[IpProtocol, ...] = ()
) -> Opening:
    return Opening(
        setting="machines",
        ports=ports,
        protocols=protocols,
        from_group=True,
        description=description,
        guard="a machine of the same swarm",
    )


SWARM: Final = Group(
    id="AllowSwarm",
    name="allow-swarm",
    description="The machines of the swarm among themselves",
    openings=(
        _among_machines(
            PortRange.single(2377), description="the swarm's managers, behind mutual TLS"
        ),
        _among_machines(
            PortRange.single(7946),
            PortRange.single(7946, "udp"),
            description="how the swarm's machines find each other",
        ),
        _among_machines(
            PortRange.single(4789, "udp"), description="overlay networks between the machines"
        ),
        _among_machines(
            protocols=(ESP,), description="encrypted overlay networks between the machines"
        ),
        _among_machines(PortRange.single(5000), description="the swarm's own image registry"),
    ),
)
"""What the machines of a swarm need of each other, and nobody else gets.

Source: Docker's documentation, "Getting started with Swarm mode", "Open protocols and ports
between the hosts", and "Use overlay networks".
"""


def groups(settings: AwsSettings, *, swarm: bool = False) -> tuple[Group, ...]:
    """Return the groups that every machine is in, with all that they let in.

    Args:
        settings: The machine's settings.
        swarm: Whether the machines are a swarm, and have to reach each other.
    """
    ssh, docker_api, http = settings.ssh, settings.docker_api, settings.http
    plain = (
        Group(
            id="AllowSsh",
            name=SSH,
            description="SSH to the Docker host",
            openings=(
                Opening(
                    setting="ssh.port",
                    ports=(PortRange.single(ssh.port),),
                    cidrs=ssh.cidrs,
                    description="SSH: the deployment and its operators",
                    guard="the environment's SSH key",
                ),
            ),
        ),
        Group(
            id="AllowDocker",
            name="allow-docker",
            description="The Docker API, and services for its users only",
            openings=(
                Opening(
                    setting="docker_api.port",
                    ports=(PortRange.single(docker_api.port),),
                    cidrs=docker_api.cidrs,
                    description="Docker API behind mutual TLS",
                    guard="a client certificate of the environment",
                ),
                Opening(
                    setting="docker_api.service_ports",
                    ports=docker_api.service_ports,
                    cidrs=docker_api.cidrs,
                    description="a service for the users of the Docker API",
                    for_services=True,
                ),
            ),
        ),
        Group(
            id=WEB,
            name="allow-all-http-https",
            description="The web services",
            openings=(
                Opening(
                    setting="http.ports",
                    ports=http.ports,
                    cidrs=http.cidrs,
                    description="HTTP and HTTPS services",
                    for_services=True,
                ),
                *_balanced(settings),
            ),
        ),
    )
    return (*plain, SWARM) if swarm else plain


def _balanced(settings: AwsSettings) -> tuple[Opening, ...]:
    """Return what lets the load balancer in, which is in the same group as the machines."""
    if settings.load_balancer is None:
        return ()
    return (
        Opening(
            setting="load_balancer.ports",
            ports=tuple(map(PortRange.single, settings.load_balancer.ports)),
            from_group=True,
            description="the load balancer, and its checks",
        ),
    )


def openings(settings: AwsSettings, *, swarm: bool = False) -> tuple[Opening, ...]:
    """Return all openings of a machine, whichever group they are in.

    Args:
        settings: The machine's settings.
        swarm: Whether the machines are a swarm, and have to reach each other.
    """
    return tuple(o for group in groups(settings, swarm=swarm) for o in group.openings)
