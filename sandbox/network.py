"""The network that the machines of a sandbox are on."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from sandbox.addresses import gateway
from sandbox.errors import SandboxError
from sandbox.names import PROJECT_LABEL, Role

if TYPE_CHECKING:
    from docker import DockerClient

    from sandbox.parameters import Parameters

_ROUTES: Final = Path("/proc/net/route")
_NARROW_PREFIX: Final = 17


def make_network(client: DockerClient, parameters: Parameters) -> None:
    """Make the network, where it is not there yet.

    Args:
        client: The engine.
        parameters: The sandbox's; `subnet` is what the network gets.

    Raises:
        SandboxError: The addresses or the name are somebody else's.
    """
    name = parameters.network
    for network in client.networks.list():
        labels = network.attrs.get("Labels") or {}
        if network.name == name:
            if labels.get(PROJECT_LABEL) == parameters.project:
                return
            msg = (
                f"environment name: must be used once on a Docker engine, got "
                f"{parameters.environment!r}, whose network {name} belongs to another "
                "checkout; stop that sandbox, or rename the settings file"
            )
            raise SandboxError(msg)
        for item in (network.attrs.get("IPAM") or {}).get("Config") or ():
            _check_overlap(parameters.subnet, item.get("Subnet"), f"network {network.name}")
    for route, interface in _routes():
        _check_overlap(parameters.subnet, str(route), f"interface {interface}")
    pool = IPAMPool(subnet=str(parameters.subnet), gateway=str(gateway(parameters.subnet)))
    try:
        client.networks.create(
            name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]),
            labels=parameters.owner.labels(Role.NETWORK),
        )
    except APIError as error:
        msg = (
            f"sandbox.subnet: must be a free network, got {parameters.subnet} and the "
            f"engine's answer: {error.explanation}; choose another"
        )
        raise SandboxError(msg) from error


def _check_overlap(subnet: IPv4Network, other: str | None, what: str) -> None:
    if not other or ":" in other:
        return
    if subnet.overlaps(IPv4Network(other, strict=False)):
        msg = (
            f"sandbox.subnet: must not overlap a network of this computer, got {subnet}, which "
            f"overlaps {other} of {what}; choose another"
        )
        raise SandboxError(msg)


def _routes() -> list[tuple[IPv4Network, str]]:
    """Return the networks that this computer has addresses in, without wide routes.

    A route to a wide network (a VPN's 10.0.0.0/8) may overlap: the more specific one wins.
    """
    found: list[tuple[IPv4Network, str]] = []
    try:
        lines = _ROUTES.read_text().splitlines()[1:]
    except OSError:
        return found
    for line in lines:
        words = line.split()
        address, mask = (
            IPv4Address(int.from_bytes(bytes.fromhex(words[i]), "little")) for i in (1, 7)
        )
        network = IPv4Network(f"{address}/{mask}")
        if network.prefixlen >= _NARROW_PREFIX:
            found.append((network, words[0]))
    return found
