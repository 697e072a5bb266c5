"""Services that no node of a swarm could run, or that would take each other's ports there."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from constructs_lib.compose.errors import ComposeError
from constructs_lib.swarm.placement import fits, place_of
from constructs_lib.swarm.service_spec import constraints_of, pinned_volumes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.compose.model import ComposeProject, Port, Service
    from constructs_lib.swarm.node import SwarmNode
    from constructs_lib.swarm.placement import Place


def check_placement(project: ComposeProject, nodes: Sequence[SwarmNode]) -> None:
    """Check that the nodes of the settings can run the services.

    Args:
        project: The services, read for a swarm.
        nodes: All nodes that there are to be.

    Raises:
        ComposeError: Some service has no node, or too few of them; with every problem.
    """
    places = [place_of(node) for node in nodes]
    problems = [
        *itertools.chain.from_iterable(
            _service(project, service, places) for service in project.services.values()
        ),
        *_shared_ports(project, places),
    ]
    if problems:
        raise ComposeError(f"{project.file}: {problem}" for problem in problems)


def _service(project: ComposeProject, service: Service, places: Sequence[Place]) -> Iterator[str]:
    deploy = service.deploy
    if deploy is None:
        return
    where = f"services.{service.name}"
    alone = True
    for constraint in deploy.constraints:
        if not any(fits(place, [constraint]) for place in places):
            alone = False
            yield (
                f"{where}.deploy.placement.constraints: must fit a node of the settings, got "
                f"{constraint}, and none has it; {_remedy(constraint, places)}"
            )
    fitting = [place for place in places if fits(place, deploy.constraints)]
    if not fitting and alone and deploy.constraints:
        yield (
            f"{where}.deploy.placement.constraints: must fit a node of the settings all together, "
            f"got {', '.join(deploy.constraints)}, and none has all; leave some out"
        )
    if not fitting or deploy.is_global or not service.replicas:
        return
    most = deploy.max_replicas_per_node
    if most and most * len(fitting) < service.replicas:
        yield (
            f"{where}.deploy.placement.max_replicas_per_node: must be enough for "
            f"{service.replicas} replicas on {_nodes(fitting)}, got {most}; raise it"
        )
    held = _held(service)
    pinned = pinned_volumes(project, service)
    if held and pinned and service.replicas > 1:
        yield (
            f"{where}.ports: must not be published by {service.replicas} replicas that are all on "
            f"the node with the volume {pinned[0]}, got {held[0].published[0]}; run one"  # type: ignore[index]  # it has one, see _held
        )
    elif held and service.replicas > len(fitting):
        yield (
            f"{where}.ports: must not be published by more replicas than there are nodes for them, "
            f"got {service.replicas} replicas with {held[0].published[0]}/{held[0].protocol} on "  # type: ignore[index]
            f"{_nodes(fitting)}; run fewer, or use deploy.mode: global"
        )


def _shared_ports(project: ComposeProject, places: Sequence[Place]) -> Iterator[str]:
    """Find services that publish one port, and could meet on a node."""
    users: dict[tuple[str, int], list[tuple[Service, Port]]] = {}
    for service in project.services.values():
        for port in service.ports:
            if port.published is not None and (service.replicas or _is_global(service)):
                users.setdefault((port.protocol, port.published[0]), []).append((service, port))
    for (protocol, number), several in sorted(users.items()):
        for (one, first), (other, second) in itertools.combinations(several, 2):
            meshed = "ingress" in (first.mode, second.mode)
            meeting = [
                place
                for place in places
                if fits(place, constraints_of(project, one))
                and fits(place, constraints_of(project, other))
            ]
            if one is other or meshed or meeting:
                on = "" if meshed or not meeting else f", and {meeting[0].name} could run both"
                yield (
                    f"services.{other.name}.ports: must not publish a port that {one.name} "
                    f"publishes, got {number}/{protocol}{on}; choose another one, or keep them "
                    "apart by deploy.placement.constraints"
                )


def _held(service: Service) -> list[Port]:
    """Return the ports that a node can give to one task only."""
    return [port for port in service.ports if port.mode == "host" and port.published is not None]


def _is_global(service: Service) -> bool:
    return service.deploy is not None and service.deploy.is_global


def _nodes(places: Sequence[Place]) -> str:
    return f"{len(places)} node{'' if len(places) == 1 else 's'}"


def _remedy(constraint: str, places: Sequence[Place]) -> str:
    subject, _, _ = constraint.partition("==")
    if subject.startswith("node.labels."):
        label = subject.removeprefix("node.labels.")
        values = sorted({place.labels[label] for place in places if label in place.labels})
        if values:
            return f"the label {label} there is {', '.join(values)}"
        known = sorted({name for place in places for name in place.labels})
        there = f"the labels there are {', '.join(known)}" if known else "there are no labels"
        return f"{there}; add it to aws.machines.workers.POOL.labels"
    return "leave it out"
