"""Services that give a node's tasks up for a moment, and have them there again afterwards.

A container of a swarm cannot be stopped: another one takes its place. So the service itself asks
for none: one with replicas, whose volumes keep all of them on one node, for no replicas at all; and
a global one, for tasks on each node but that one, whose other tasks run on meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from docker.errors import NotFound

from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.operations import OVER
from constructs_lib.swarm.service_change import change
from constructs_lib.swarm.withdrawal import grace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import DockerClient

_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A service that is held from a node.

    Attributes:
        service: Its id.
        name: What it is called in the swarm.
        node: The node's id in the swarm.
        running: How many of its tasks ran before.
        grace_seconds: How long it may take to end.
        replicas: How many tasks it asks for otherwise; None for one on each node.
    """

    service: str
    name: str
    node: str
    running: int
    grace_seconds: float
    replicas: int | None

    @property
    def end(self) -> list[str]:
        """The words of the command that ends it, on a manager's machine."""
        if self.replicas is None:
            return [
                "docker",
                "service",
                "update",
                "--detach",
                "--constraint-rm",
                _but(self),
                self.name,
            ]
        return ["docker", "service", "scale", "--detach", f"{self.name}={self.replicas}"]


def look(engine: DockerClient, service: str, node: str) -> Held | None:
    """Return how a service is held from a node; None where it is gone, or has no tasks to give up.

    Args:
        engine: A manager.
        service: The service's id.
        node: The node's id.

    Raises:
        docker.errors.DockerException: The engine does not answer.
    """
    api: Any = engine.api
    try:
        spec = api.inspect_service(service)["Spec"]
    except NotFound:
        return None
    replicas = None
    if "Replicated" in spec["Mode"]:
        replicas = int(spec["Mode"]["Replicated"].get("Replicas") or 0)
        if not replicas:
            return None
    return Held(
        service=service,
        name=spec["Name"],
        node=node,
        running=_running(engine, service),
        grace_seconds=grace(spec),
        replicas=replicas,
    )


def begin(engine: DockerClient, held: Held) -> None:
    """Have a service give its tasks on the node up; they end in their own time.

    Args:
        engine: A manager.
        held: The service.

    Raises:
        SwarmError: Somebody else changes it again and again.
        docker.errors.DockerException: The engine does not do as asked.
    """

    def edit(spec: dict[str, Any]) -> None:
        if held.replicas is not None:
            spec["Mode"] = {"Replicated": {"Replicas": 0}}
            return
        placement = spec["TaskTemplate"].setdefault("Placement", {})
        constraints = placement.get("Constraints") or []
        placement["Constraints"] = [*(c for c in constraints if c != _but(held)), _but(held)]

    change(engine, held.service, edit)


def is_held(engine: DockerClient, held: Held) -> bool:
    """Return whether a service has begun to give its tasks on the node up, and not ended.

    Args:
        engine: A manager.
        held: The service.

    Raises:
        docker.errors.DockerException: The engine does not answer.
    """
    api: Any = engine.api
    try:
        spec = api.inspect_service(held.service)["Spec"]
    except NotFound:
        return False
    if held.replicas is not None:
        return not spec["Mode"].get("Replicated", {}).get("Replicas")
    return _but(held) in ((spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or ())


def end(engine: DockerClient, held: Held) -> None:
    """Let a service have its tasks there again; one that is gone meanwhile is no error.

    The swarm begins new ones at once, beside those that have not ended yet: see `await_over`.

    Args:
        engine: A manager.
        held: The service.

    Raises:
        SwarmError: Somebody else changes it again and again.
        docker.errors.DockerException: The engine does not do as asked.
    """

    def edit(spec: dict[str, Any]) -> None:
        if held.replicas is not None:
            # Whoever has asked for some meanwhile knows better.
            if not spec["Mode"].get("Replicated", {}).get("Replicas"):
                spec["Mode"] = {"Replicated": {"Replicas": held.replicas}}
            return
        placement = spec["TaskTemplate"].get("Placement") or {}
        constraints = placement.get("Constraints") or []
        placement["Constraints"] = [c for c in constraints if c != _but(held)]
        spec["TaskTemplate"]["Placement"] = placement

    change(engine, held.service, edit)


def await_over(engine: DockerClient, services: Sequence[Held], *, seconds: float) -> None:
    """Wait until services have no tasks on their nodes.

    Args:
        engine: A manager.
        services: The services, whose hold has begun.
        seconds: How long to wait at most, beside what the slowest may take to end.

    Raises:
        SwarmError: Tasks do not end; with their services.
        docker.errors.DockerException: The engine does not answer.
    """
    limit = time.monotonic() + seconds + max((h.grace_seconds for h in services), default=0.0)
    while left := [held.name for held in services if _on_the_node(engine, held)]:
        if time.monotonic() >= limit:
            raise SwarmError(
                f"services {', '.join(left)}: must have ended {seconds:.0f} s after their "
                "stop_grace_period, got tasks that have not; look at them there (moor ssh NODE)"
            )
        time.sleep(_PAUSE_SECONDS)


def await_back(engine: DockerClient, services: Sequence[Held], *, seconds: float) -> None:
    """Wait until as many tasks of services run as before.

    Args:
        engine: A manager.
        services: The services, whose hold has ended.
        seconds: How long to wait at most.

    Raises:
        SwarmError: They do not run; with what they say.
        docker.errors.DockerException: The engine does not answer.
    """
    limit = time.monotonic() + seconds
    while short := [h for h in services if _running(engine, h.service) < h.running]:
        if time.monotonic() >= limit:
            told = ", ".join(f"{held.name} ({_said(engine, held)})" for held in short)
            raise SwarmError(
                f"services: must run again within {seconds:.0f} s, got tasks that do not: {told}"
            )
        time.sleep(_PAUSE_SECONDS)


def _but(held: Held) -> str:
    return f"node.id!={held.node}"


def _running(engine: DockerClient, service: str) -> int:
    api: Any = engine.api
    tasks = api.tasks(filters={"service": service, "desired-state": "running"})
    return sum((task.get("Status") or {}).get("State") == "running" for task in tasks)


def _on_the_node(engine: DockerClient, held: Held) -> bool:
    api: Any = engine.api
    tasks = api.tasks(filters={"service": held.service, "node": held.node})
    return any((task.get("Status") or {}).get("State") not in OVER for task in tasks)


def _said(engine: DockerClient, held: Held) -> str:
    """Return what the newest task of a service says."""
    api: Any = engine.api
    tasks = sorted(api.tasks(filters={"service": held.service}), key=lambda t: str(t["CreatedAt"]))
    status = (tasks[-1].get("Status") or {}) if tasks else {}
    said = " ".join(str(status.get("Err") or status.get("Message") or "").split())
    state = str(status.get("State", "no task"))
    return f"{state}: {said}" if said else state
