"""Which services need which, and the order that comes of it."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.compose.model import Service


def in_order(services: Mapping[str, Service]) -> list[Service]:
    """Return services, each after those that it needs.

    Args:
        services: The services by their names; all that one of them needs are there.

    Raises:
        graphlib.CycleError: Some of them need each other; see `find_cycle`.
    """
    # Sorted, since a set has another order in each run.
    graph = {name: sorted(_needs(service)) for name, service in sorted(services.items())}
    return [services[name] for name in TopologicalSorter(graph).static_order()]


def find_cycle(services: Mapping[str, Service]) -> list[str] | None:
    """Return services each of which needs the next one, if there are any that come full circle.

    Args:
        services: The services by their names. What is needed and not among them is left out.

    Returns:
        Their names, the first one at the end again; always the same ones for the same services.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, service in services.items():
        sorter.add(name)
        for other in sorted(_needs(service) & services.keys(), reverse=True):
            # The wrong way round, so that the sorter walks from who needs to what is needed.
            sorter.add(other, name)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return None


def key_between(service: Service, other: str) -> str:
    """Return the key by which a service needs another one."""
    ways: dict[str, list[str | None]] = {
        "depends_on": [dependency.service for dependency in service.depends_on],
        "network_mode": [service.shares_network],
        "ipc": [service.shares_ipc],
        "pid": [service.shares_pid],
        "volumes_from": [name for name, _ in service.volumes_from],
    }
    # Compose makes a dependency of each of the others, which is not what somebody has written.
    return next(key for key in reversed(ways) if other in ways[key])


def _needs(service: Service) -> set[str]:
    """Return the names of the services that have to be there before a service."""
    shared = (service.shares_network, service.shares_ipc, service.shares_pid)
    return {
        *(dependency.service for dependency in service.depends_on),
        *(name for name in shared if name is not None),
        *(name for name, _ in service.volumes_from),
    }
