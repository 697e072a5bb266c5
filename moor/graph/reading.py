"""From settings and services to a drawing. Nothing is asked of AWS, an engine or Terraform."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from constructs_lib.aws.firewall import EVERYWHERE, SWARM, openings
from constructs_lib.settings.nodes import nodes_of
from moor.graph.service_cards import card_of, networks_of, own_ports
from moor.graph.values import MACHINE, Arrow, Door, Drawing, Host, OpenPort, Visitor, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.aws.firewall import Opening
    from constructs_lib.compose.model import ComposeProject, Condition, Service
    from constructs_lib.settings.nodes import Node
    from constructs_lib.settings.settings import Settings

_WAITS: Final[dict[Condition, Wait]] = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "done",
}


def read(environment: str, settings: Settings, project: ComposeProject) -> Drawing:
    """Return the drawing of an environment.

    Args:
        environment: The environment's name.
        settings: Its settings.
        project: Its services.

    Raises:
        OSError: A folder of the services cannot be read.
    """
    where = "emulated on this computer" if settings.sandbox else "AWS"
    services = list(project.services.values())
    doors = list(_doors(settings, services))
    return Drawing(
        name=settings.project,
        place=f"environment {environment}, {settings.aws.region} ({where})",
        visitors=_visitors(settings),
        doors=tuple(doors),
        hosts=tuple(_hosts(settings)),
        among=_among() if settings.is_swarm else "",
        services=tuple(card_of(service, project) for service in services),
        arrows=tuple(
            Arrow(service=service.name, needs=needed.service, wait=_WAITS[needed.condition])
            for service in services
            for needed in service.depends_on
            if needed.service in project.services
        ),
        networks=networks_of(project),
    )


def _from_outside(settings: Settings) -> list[Opening]:
    every = openings(settings.aws, swarm=settings.is_swarm)
    return [opening for opening in every if not opening.from_group and opening.ports]


def _visitors(settings: Settings) -> tuple[Visitor, ...]:
    found: dict[str, Visitor] = {}
    for opening in _from_outside(settings):
        key = _visitor_key(opening)
        everybody = set(EVERYWHERE) <= set(opening.cidrs)
        found.setdefault(
            key,
            Visitor(key=key, name="everybody")
            if everybody
            else Visitor(key=key, name="anybody on", networks=tuple(map(str, opening.cidrs))),
        )
    return tuple(found.values())


def _visitor_key(opening: Opening) -> str:
    return " ".join(sorted(map(str, opening.cidrs)))


def _doors(settings: Settings, services: Sequence[Service]) -> Iterator[Door]:
    balanced = settings.aws.load_balancer
    for opening in _from_outside(settings):
        is_web = opening.setting == "http.ports"
        yield Door(
            key=opening.setting,
            visitor=_visitor_key(opening),
            name=opening.description,
            guard=opening.guard,
            ports=tuple(_open_ports(opening, services)),
            through="a load balancer, too" if is_web and balanced is not None else "",
        )


def _open_ports(opening: Opening, services: Sequence[Service]) -> Iterator[OpenPort]:
    for ports in opening.ports:
        if not opening.for_services:
            yield OpenPort(text=str(ports), answers=(MACHINE,))
            continue
        answers: dict[str, list[str]] = {}
        for service in services:
            for text, number, protocol in own_ports(service):
                if ports.has(number, protocol):
                    answers.setdefault(text, []).append(service.name)
        for text, names in answers.items():
            yield OpenPort(text=text, answers=tuple(dict.fromkeys(names)))
        if not answers:
            yield OpenPort(text=str(ports))


def _hosts(settings: Settings) -> Iterator[Host]:
    nodes = nodes_of(settings)
    if not settings.is_swarm:
        (node,) = nodes
        lines = tuple(_lines(node))
        yield Host(key=node.pool, name="the machine", lines=lines, disks=_disks(node, ""))
        return
    for pool, several in groupby(nodes, key=lambda node: node.pool):
        members = list(several)
        first, each = members[0], " each" if len(members) > 1 else ""
        count = f"{len(members)} " if each else ""
        kind = "manager" if first.is_manager else f"worker {pool}" if not each else "worker"
        name = f"{count}{kind}{'s' if each else ''}"
        lines = (_names(members), *_lines(first))
        yield Host(key=pool, name=name, lines=lines, disks=_disks(first, each))


def _names(nodes: Sequence[Node]) -> str:
    if len(nodes) <= 3:  # noqa: PLR2004
        return ", ".join(node.name for node in nodes)
    return f"{nodes[0].name} to {nodes[-1].name}"


def _lines(node: Node) -> Iterator[str]:
    yield f"{node.instance_type}, {node.image.architecture}"
    if node.labels:
        yield "labels: " + ", ".join(f"{key}={value}" for key, value in node.labels.items())


def _disks(node: Node, each: str) -> tuple[str, ...]:
    return (f"disk {node.root_volume_gib} GiB{each}, encrypted",)


def _among() -> str:
    """Return what the nodes of a swarm open to each other, and to nobody else."""
    every = [str(ports) for opening in SWARM.openings for ports in opening.everything]
    return f"the nodes among themselves: {', '.join(every)}"
