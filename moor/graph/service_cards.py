"""A service as a card of a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.aws.port_range import PortRange
from constructs_lib.compose.folders import MachineFolders, told
from moor.graph.values import Card, Data, Keeping, NetworkMark, Published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.aws.port_range import Protocol
    from constructs_lib.compose.model import ComposeProject, NetworkDefinition, Port, Service

_HOST: Final = "(host)"
_NONE: Final = "(none)"
"""Keys of what is no network of the project: no network's key has brackets."""


def card_of(service: Service, project: ComposeProject) -> Card:
    """Return a service's card.

    Args:
        service: The service.
        project: All of them.

    Raises:
        OSError: A folder of this computer cannot be read.
    """
    image = service.image or service.name
    return Card(
        name=service.name,
        count=_count(service),
        image=f"built here: {image}" if service.build else image.partition("@")[0],
        notes=tuple(_notes(service)),
        networks=_networks(service),
        ports=tuple(_published(service)),
        data=tuple(_data(service, project)),
    )


def _count(service: Service) -> str:
    if service.deploy is not None and service.deploy.is_global:
        return "on each node"
    return "" if service.replicas == 1 else f"\N{MULTIPLICATION SIGN} {service.replicas}"


def _notes(service: Service) -> Iterator[str]:
    if service.deploy is not None and service.deploy.constraints:
        yield f"only where {', '.join(service.deploy.constraints)}"
    if service.shares_network:
        yield f"on the network of {service.shares_network}"
    if service.options.privileged:
        yield "privileged: may do everything on the machine"


def _networks(service: Service) -> tuple[str, ...]:
    if service.options.network_mode == "host":
        return (_HOST,)
    if service.options.network_mode == "none":
        return (_NONE,)
    return tuple(attachment.network for attachment in service.networks)


def networks_of(project: ComposeProject) -> tuple[NetworkMark, ...]:
    """Return the networks that services are on, in the order of the file."""
    used = {key for service in project.services.values() for key in _networks(service)}
    marks = [
        NetworkMark(key=key, name=key, note=_network_note(network))
        for key, network in project.networks.items()
        if key in used
    ]
    if _HOST in used:
        marks.append(NetworkMark(key=_HOST, name="host network", is_none=True))
    if _NONE in used:
        marks.append(NetworkMark(key=_NONE, name="no network", is_none=True))
    return tuple(marks)


def _network_note(network: NetworkDefinition) -> str:
    if network.external:
        return "not made here"
    return "no way out" if network.internal else ""


def own_ports(service: Service) -> Iterator[tuple[str, int, Protocol]]:
    """Yield the machine's ports on which a service answers others, as far as its file tells.

    Yields:
        The port as settings have it, its number, and its protocol.
    """
    if not service.replicas:
        return
    for port in service.ports:
        if service.options.network_mode == "host":
            yield _written(port.target, port.protocol), port.target, port.protocol
        elif service.publishes and port.published is not None and port.is_reachable:
            for number in range(port.published[0], port.published[1] + 1):
                yield _written(number, port.protocol), number, port.protocol


def _written(number: int, protocol: Protocol) -> str:
    return str(PortRange.single(number, protocol))


def _published(service: Service) -> Iterator[Published]:
    seen: set[str] = set()
    for port in service.ports if service.publishes else ():
        key, text = _told(port)
        if key not in seen:
            seen.add(key)
            note = "" if port.is_reachable else "from the machine itself only"
            yield Published(key=key, text=text, note=note)


def _told(port: Port) -> tuple[str, str]:
    inner = _written(port.target, port.protocol)
    if port.published is None:
        return f"any {inner}", f"any port → {inner}"
    first, last = port.published
    outer = str(PortRange(first, last, port.protocol))
    # A port of the machine that only it reaches is another one than the door's.
    return (outer if port.is_reachable else f"own {outer}"), f"{outer} → {inner}"


def _data(service: Service, project: ComposeProject) -> Iterator[Data]:
    for mount in service.mounts:
        volume = project.volumes[mount.volume]
        keeping: Keeping = "foreign" if volume.external else "machine"
        yield Data(name=mount.volume, path=mount.path, keeping=keeping, read_only=mount.read_only)
    machine = MachineFolders.of(project)
    for folder in service.folders:
        yield Data(
            name=told(folder.place),
            path=folder.path,
            keeping="machine" if machine.has(folder) else "copy",
            read_only=folder.read_only,
        )
    options = service.options
    for host in options.host_mounts:
        path = "" if host.source == host.path else host.path
        yield Data(name=host.source, path=path, keeping="foreign", read_only=host.read_only)
    secrets = sum(delivery.is_secret for delivery in service.deliveries)
    files = len(service.deliveries) - secrets
    if files:
        yield Data(name=_several(files, "file"), path="", keeping="copy")
    if secrets:
        yield Data(name=_several(secrets, "secret"), path="", keeping="copy")
    for path in options.anonymous_volumes:
        yield Data(name="without a name", path=path, keeping="container")
    for path in (*options.tmpfs, *(mount.path for mount in options.tmpfs_mounts)):
        yield Data(name="in memory", path=path, keeping="nothing")
    for other, read_only in service.volumes_from:
        yield Data(name=f"the volumes of {other}", path="", keeping="foreign", read_only=read_only)


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
