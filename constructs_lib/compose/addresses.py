"""Addresses and names of networks and volumes, as the engine looks at them when it makes them.

Source: moby 26.1, `api/types/network/ipam.go` (`ValidateIPAM`), `libnetwork/ipam`,
`daemon/container_operations.go` (`validateEndpointIPAddress`).
"""

from __future__ import annotations

from ipaddress import ip_address
from itertools import combinations
from typing import TYPE_CHECKING, Final

from constructs_lib.compose import grammar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

    from constructs_lib.compose.model import (
        AddressPool,
        ComposeProject,
        NetworkDefinition,
        VolumeDefinition,
    )

_OF_THE_ENGINE: Final = ("bridge", "host", "none")


def address_problems(project: ComposeProject) -> Iterator[str]:
    """Find names and addresses that the engine would refuse.

    Args:
        project: The services.

    Yields:
        Where it stands, and what is wrong.
    """
    subnets: dict[str, list[IPv4Network | IPv6Network]] = {}
    for network in project.networks.values():
        if not network.external:
            yield from _network_problems(network)
            subnets[network.key] = [
                subnet
                for pool in network.pools
                if (subnet := grammar.as_network(pool.subnet or "")) is not None
                and (subnet.version == 4 or network.ipv6)  # noqa: PLR2004
            ]
    yield from _of_the_engine(project)
    yield from _overlapping(project, subnets)
    yield from _fixed(project, subnets)
    for volume in project.volumes.values():
        yield from _volume_problems(volume)


def _of_the_engine(project: ComposeProject) -> Iterator[str]:
    for service in project.services.values():
        for attachment in service.networks:
            network = project.networks.get(attachment.network)
            if network is not None and network.external and network.name in _OF_THE_ENGINE:
                yield (
                    f"services.{service.name}.networks.{attachment.network}: must be a network "
                    f"with names for containers, got the engine's own {network.name}; use "
                    f"network_mode: {network.name}"
                )


def _network_problems(network: NetworkDefinition) -> Iterator[str]:
    where = f"networks.{network.key}"
    if network.name in _OF_THE_ENGINE or not network.name.strip():
        yield (
            f"{where}.name: must be none of the engine's own, {', '.join(_OF_THE_ENGINE)}, got "
            f"{network.name!r}; use the service's network_mode, or external: true"
        )
    if network.driver in ("host", "none", "null"):
        yield (
            f"{where}.driver: must make a network, got {network.driver}, of which an engine has "
            "one; use the service's network_mode"
        )
    if network.driver == "overlay":
        yield (
            f"{where}.driver: must be of one machine, got overlay, which takes a swarm; leave it "
            "out"
        )
    if "" in network.labels:
        yield f"{where}.labels: must have a name each, got none for {network.labels['']!r}"
    for index, pool in enumerate(network.pools):
        for key, problem in _pool_problems(pool):
            yield f"{where}.ipam.config[{index}].{key}: {problem}"


def _pool_problems(pool: AddressPool) -> Iterator[tuple[str, str]]:
    if not pool.subnet:
        yield "subnet", "must be there, got none; the engine asks for one"
        return
    problem = grammar.wrong_network(pool.subnet)
    subnet = grammar.as_network(pool.subnet)
    if problem or subnet is None:
        yield "subnet", str(problem)
        return
    if pool.ip_range:
        problem = grammar.wrong_network(pool.ip_range)
        inner = grammar.as_network(pool.ip_range)
        if problem or inner is None:
            yield "ip_range", str(problem)
        elif not (
            inner.version == subnet.version
            and subnet.network_address <= inner.network_address  # type: ignore[operator]  # one version
            and inner.broadcast_address <= subnet.broadcast_address  # type: ignore[operator]
        ):
            yield "ip_range", f"must be a part of {pool.subnet}, got {pool.ip_range}"
    single = [("gateway", pool.gateway)] if pool.gateway else []
    aux = [(f"aux_addresses.{name}", text) for name, text in pool.aux_addresses.items()]
    for key, text in (*single, *aux):
        problem = grammar.wrong_address(str(text))
        if problem is None and ip_address(str(text)) not in subnet:
            problem = f"must be an address of {pool.subnet}, got {text}"
        if problem:
            yield key, problem


def _overlapping(
    project: ComposeProject, subnets: dict[str, list[IPv4Network | IPv6Network]]
) -> Iterator[str]:
    # Other drivers have addresses of their own, which the engine does not compare with these.
    known = [
        (key, subnet)
        for key, found in subnets.items()
        if project.networks[key].driver in (None, "", "bridge")
        for subnet in found
    ]
    for (first, one), (second, other) in combinations(known, 2):
        if one.version == other.version and one.overlaps(other):
            yield (
                f"networks.{second}.ipam.config: must have addresses of its own, got {other}, of "
                f"which {first} has {one}"
            )


def _fixed(
    project: ComposeProject, subnets: dict[str, list[IPv4Network | IPv6Network]]
) -> Iterator[str]:
    taken: dict[tuple[str, str], str] = {}
    for service in project.services.values():
        for attachment in service.networks:
            found = subnets.get(attachment.network)
            if found is None or not service.replicas:
                continue
            for key, text in (
                ("ipv4_address", attachment.ipv4_address),
                ("ipv6_address", attachment.ipv6_address),
            ):
                if not text:
                    continue
                where = f"services.{service.name}.networks.{attachment.network}.{key}"
                address = ip_address(text)
                if not any(address in subnet for subnet in found):
                    have = ", ".join(map(str, found)) or "none"
                    yield (
                        f"{where}: must be of a subnet of networks.{attachment.network}.ipam, got "
                        f"{text}, and as subnets {have}"
                        f"{'' if address.version == 4 else '; IPv6 takes enable_ipv6, too'}"  # noqa: PLR2004
                    )
                gateways = {
                    str(ip_address(pool.gateway)): "the gateway"
                    for pool in project.networks[attachment.network].pools
                    if pool.gateway and grammar.wrong_address(pool.gateway) is None
                }
                owner = gateways.get(str(address)) or taken.get((attachment.network, str(address)))
                if owner:
                    yield f"{where}: must be an address of its own, got {text}, which {owner} has"
                taken[attachment.network, str(address)] = service.name


def _volume_problems(volume: VolumeDefinition) -> Iterator[str]:
    if volume.external:
        return
    # Other drivers than the engine's have a grammar of their own.
    if volume.driver in (None, "", "local"):
        problem = grammar.wrong_object_name(volume.name)
        if problem:
            yield f"volumes.{volume.key}.name: {problem}"
    if "" in volume.labels:
        yield f"volumes.{volume.key}.labels: must have a name each, got none for " + repr(
            volume.labels[""]
        )
