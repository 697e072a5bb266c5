"""Takes the tasks from services, so that nothing is left to wait for when they are removed.

The Docker provider removes a service, and then waits for those of its containers that the manager
has: exactly as long as the service may take to end, counted from the removal. The swarm begins a
moment later to stop them, and removes them after that. So the provider fails where they take all
of their time, or where the machine is busy, with "context deadline exceeded". Containers of other
nodes it does not wait for, and a network is refused to go ("is in use by task") until the swarm has
told all tasks on it to end. A service without tasks has none of that.

Source: terraform-provider-docker 4.6.0, `deleteService`; swarmkit, `controlapi.removeNetwork`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.swarm.entries import DOWN, entries
from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.operations import OVER
from constructs_lib.swarm.service_change import change

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from docker import DockerClient

_NOWHERE: Final = "node.id==nowhere"
"""No node has such an id: the constraint with which a global service has no tasks."""

_PAUSE_SECONDS: Final = 0.5
_BILLION: Final = 1_000_000_000


def withdraw(engine: DockerClient, services: Collection[str], *, seconds: float) -> None:
    """Let services have no tasks, and wait until those that they have are over.

    Tasks on a node that is down are not waited for: nobody can tell what becomes of them, and they
    hold neither a service nor a network.

    Args:
        engine: A manager.
        services: The services' ids; one that is gone already is no error.
        seconds: How long to wait at most, beside what the slowest service may take to end.

    Raises:
        SwarmError: Tasks do not end; with their services and nodes.
        docker.errors.DockerException: The engine does not do as asked.
    """
    changed = {service: change(engine, service, _empty) for service in services}
    found = {service: spec for service, spec in changed.items() if spec is not None}
    end = time.monotonic() + seconds + max(map(grace, found.values()), default=0.0)
    while left := _left(engine, found):
        if time.monotonic() >= end:
            raise SwarmError(
                f"swarm: tasks: must be over {seconds:.0f} s after the stop_grace_period of their "
                f"services, got some that are not: {', '.join(left)}; look at them there (moor ssh "
                "NODE), or reboot the node (moor host reboot NODE)"
            )
        time.sleep(_PAUSE_SECONDS)


def _empty(spec: dict[str, Any]) -> None:
    """Let a service have no tasks."""
    if "Replicated" in spec["Mode"]:
        spec["Mode"] = {"Replicated": {"Replicas": 0}}
    else:
        placement = spec["TaskTemplate"].setdefault("Placement", {})
        placement["Constraints"] = [_NOWHERE]


def grace(spec: Mapping[str, Any]) -> float:
    """Return how many seconds a service may take to end.

    Args:
        spec: The service, as the swarm tells it.
    """
    return float(spec["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod") or 0) / _BILLION


def _left(engine: DockerClient, services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the services that have tasks still, each with the nodes that those are on."""
    api: Any = engine.api
    nodes = {node.id: node for node in entries(engine)}
    found: dict[str, set[str]] = {}
    for task in api.tasks():
        service, node = task.get("ServiceID", ""), nodes.get(task.get("NodeID", ""))
        is_over = (task.get("Status") or {}).get("State") in OVER
        if service in services and not is_over and (node is None or node.state != DOWN):
            on = "no node" if node is None else str(node)
            found.setdefault(services[service]["Name"], set()).add(on)
    return [f"{name} on {', '.join(sorted(on))}" for name, on in sorted(found.items())]
