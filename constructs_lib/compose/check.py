"""Rules between services, and between services and the machine."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from constructs_lib.aws.port_range import together
from constructs_lib.compose.addresses import address_problems
from constructs_lib.compose.combinations import combination_problems
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.order import find_cycle, key_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.aws.firewall import Opening
    from constructs_lib.compose.model import ComposeProject, Port, Service


def check(project: ComposeProject, *, openings: Sequence[Opening] | None = None) -> None:
    """Check what only shows when services are looked at together.

    Args:
        project: The services.
        openings: What the machine's security groups let in; None where nothing is known of the
            machine.

    Raises:
        ComposeError: Two things collide, or something can never work; with every problem.
    """
    swarm = any(service.deploy is not None for service in project.services.values())
    problems = [
        *(() if swarm else _names(project)),
        *(() if swarm else _ports(project)),
        *_dependencies(project),
        *_cycles(project),
        *_sharing(project),
        *_references(project),
        *address_problems(project),
        *combination_problems(project),
        *(_firewall(project, openings) if openings is not None else ()),
    ]
    if problems:
        raise ComposeError(f"{project.file}: {problem}" for problem in problems)


def _names(project: ComposeProject) -> Iterator[str]:
    owners: dict[str, str] = {}
    for service in project.services.values():
        if service.container_name is not None and service.replicas > 1:
            yield (
                f"services.{service.name}.container_name: must not be set for "
                f"{service.replicas} replicas, got {service.container_name}; leave it out"
            )
            continue
        for name in service.container_names(project.name):
            if name in owners:
                yield (
                    f"services.{service.name}.container_name: must differ from that of "
                    f"{owners[name]}, got {name} for both"
                )
            owners[name] = service.name


def _ports(project: ComposeProject) -> Iterator[str]:
    taken: dict[tuple[str, int], list[tuple[Port, str]]] = {}
    for service in project.services.values():
        for port in service.ports if service.publishes else ():
            if port.published is None:
                continue
            first, last = port.published
            if last - first + 1 < service.replicas:
                yield (
                    f"services.{service.name}.ports: must have a port for each of the "
                    f"{service.replicas} replicas, got {first} for port {port.target}; publish a "
                    "range, or put a proxy in front"
                )
                continue
            for replica in range(service.replicas):
                number = first + replica
                users = taken.setdefault((port.protocol, number), [])
                for other, owner in users:
                    wide = port.is_everywhere or other.is_everywhere
                    # Of one service, all of IPv4 beside all of IPv6 is one publication.
                    apart = owner == service.name and not port.shares_family(other)
                    if port.host_ip == other.host_ip or (wide and not apart):
                        yield (
                            f"services.{service.name}.ports: must not publish a port that "
                            f"{owner} publishes, got {number}/{port.protocol}"
                        )
                users.append((port, service.name))


def _dependencies(project: ComposeProject) -> Iterator[str]:
    for service in project.services.values():
        for dependency in service.depends_on:
            other = project.services.get(dependency.service)
            where = f"services.{service.name}.depends_on.{dependency.service}"
            if other is None:
                yield f"{where}: must be a service of this file, got no such service"
                continue
            check_ = other.options.healthcheck
            if dependency.condition == "service_healthy" and check_ and check_.is_disabled:
                yield (
                    f"{where}.condition: must not be service_healthy, since "
                    f"{dependency.service} switches its healthcheck off; give it one"
                )
            if dependency.condition == "service_completed_successfully" and (
                other.deploy is not None and other.deploy.restart.condition == "any"
            ):
                yield (
                    f"{where}.condition: must not be service_completed_successfully, since "
                    f"{dependency.service} is restarted for ever; set its "
                    "deploy.restart_policy.condition to none or on-failure"
                )
            if dependency.condition == "service_completed_successfully" and other.restart in (
                "always",
                "unless-stopped",
            ):
                yield (
                    f"{where}.condition: must not be service_completed_successfully, since "
                    f"{dependency.service} is restarted for ever, got restart: {other.restart}"
                )


def _cycles(project: ComposeProject) -> Iterator[str]:
    """Find one cycle, where there is any."""
    cycle = find_cycle(project.services)
    if cycle is not None:
        ways = [
            key_between(project.services[one], other) for one, other in itertools.pairwise(cycle)
        ]
        yield (
            f"services.{cycle[0]}.{ways[0]}: must not lead back to itself, got "
            f"{' -> '.join(cycle)} through {', '.join(dict.fromkeys(ways))}; remove one of them"
        )


def _sharing(project: ComposeProject) -> Iterator[str]:
    for service in project.services.values():
        if service.shares_network and service.ports:
            yield (
                f"services.{service.name}.ports: must be empty with network_mode, got "
                f"{len(service.ports)} of them; publish them where the network is"
            )
        for key, name in (
            ("network_mode", service.shares_network),
            ("ipc", service.shares_ipc),
            ("pid", service.shares_pid),
        ):
            if name is None:
                continue
            other = project.services.get(name)
            if other is None or other.replicas != 1:
                have = "none" if other is None else f"{other.replicas} of them"
                yield (
                    f"services.{service.name}.{key}: must name a service with one container, "
                    f"got {have} of {name}"
                )
        for name, _ in service.volumes_from:
            if project.services[name].replicas < 1:
                yield (
                    f"services.{service.name}.volumes_from: must name a service with a "
                    f"container, got none of {name}"
                )


def _references(project: ComposeProject) -> Iterator[str]:
    for service in project.services.values():
        for attachment in service.networks:
            if attachment.network not in project.networks:
                yield (
                    f"services.{service.name}.networks: must be a network of this file, got "
                    f"{attachment.network}"
                )
            if service.replicas > 1 and (attachment.ipv4_address or attachment.ipv6_address):
                yield (
                    f"services.{service.name}.networks.{attachment.network}: must have no fixed "
                    f"address for {service.replicas} replicas, got "
                    f"{attachment.ipv4_address or attachment.ipv6_address}"
                )
        for mount in service.mounts:
            if mount.volume not in project.volumes:
                yield (
                    f"services.{service.name}.volumes: must be a volume of this file, got "
                    f"{mount.volume}"
                )
    for key, kind in (("networks", project.networks), ("volumes", project.volumes)):
        owners: dict[str, str] = {}
        for thing in kind.values():
            if thing.name in owners and not thing.external:
                yield (
                    f"{key}.{thing.key}.name: must differ from that of {owners[thing.name]}, "
                    f"got {thing.name} for both"
                )
            owners[thing.name] = thing.key


def _firewall(project: ComposeProject, openings: Sequence[Opening]) -> Iterator[str]:
    for_services = [opening for opening in openings if opening.for_services]
    opened = [ports for opening in for_services for ports in opening.ports]
    settings = " or ".join(f"aws.{opening.setting}" for opening in for_services)
    remedy = f"add it to {settings}, or publish" if settings else "publish"
    for service in project.services.values():
        closed = together(
            (number, protocol)
            for number, protocol in _listening(service)
            if not any(ports.has(number, protocol) for ports in opened)
        )
        for ports in closed:
            yield (
                f"services.{service.name}.ports: no security group opens port {ports}; {remedy} "
                "on 127.0.0.1"
            )


def _listening(service: Service) -> Iterator[tuple[int, str]]:
    """Yield the machine's ports at which others are meant to reach a service.

    One that the engine chooses is none of them: no rule could name it before.
    """
    for port in service.ports if service.replicas else ():
        if service.options.network_mode == "host":
            # Whatever else it says: the program itself listens there.
            yield port.target, port.protocol
        elif service.publishes and port.is_reachable and port.published is not None:
            for replica in range(1 if service.deploy else service.replicas):
                yield port.published[0] + replica, port.protocol
