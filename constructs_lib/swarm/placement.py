"""Which nodes fit a service: the constraints of its placement, as Swarm reads them.

Source: swarmkit's `manager/constraint`, `NodeMatches`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs_lib.swarm.node import SwarmNode

_NODE_LABELS: Final = "node.labels."
_ENGINE_LABELS: Final = "engine.labels."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node, as far as it is known; None is what nobody knows yet, and fits any constraint.

    Attributes:
        name: What a person calls it.
        role: `manager` or `worker`.
        labels: The labels that the swarm has for it.
        id: What the engine calls it.
        hostname: The machine's host name.
        address: Its address.
        os: The operating system, as the engine tells it.
        architecture: The processor, likewise.
        engine_labels: The labels of its engine.
        is_ready: Whether it takes tasks.
    """

    name: str
    role: str
    labels: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    hostname: str | None = None
    address: str | None = None
    os: str | None = None
    architecture: str | None = None
    engine_labels: Mapping[str, str] | None = None
    is_ready: bool = True


def place_of(node: SwarmNode) -> Place:
    """Return a node of the settings, which may not exist yet."""
    return Place(name=node.name, role=node.role, labels=node.labels)


def place_from(node: Mapping[str, Any]) -> Place:
    """Return a node as the engine tells of it.

    Args:
        node: What "Inspect a node" of the Engine API answers.
    """
    spec, description, status = node["Spec"], node.get("Description", {}), node.get("Status", {})
    platform = description.get("Platform", {})
    labels = spec.get("Labels") or {}
    return Place(
        name=labels.get("moor.node") or description.get("Hostname") or node["ID"],
        role=spec.get("Role", ""),
        labels=labels,
        id=node["ID"],
        hostname=description.get("Hostname", ""),
        address=status.get("Addr", ""),
        os=platform.get("OS", ""),
        architecture=platform.get("Architecture", ""),
        engine_labels=description.get("Engine", {}).get("Labels") or {},
        is_ready=status.get("State") == "ready" and spec.get("Availability") == "active",
    )


def fits(place: Place, constraints: Iterable[str]) -> bool:
    """Whether a node fits all constraints.

    Args:
        place: The node.
        constraints: Each as `node.labels.tier==web`.
    """
    return all(_fits(place, constraint) for constraint in constraints)


def _fits(place: Place, constraint: str) -> bool:
    excluded = "!=" in constraint
    subject, _, value = constraint.partition("!=" if excluded else "==")
    subject = subject.strip()
    known = _value(place, subject)
    if known is None:
        return True
    return (known.lower() == value.strip().lower()) is not excluded


def _value(place: Place, subject: str) -> str | None:
    if subject.startswith(_NODE_LABELS):
        label = subject.removeprefix(_NODE_LABELS)
        # Whether its kernel has IP_VS and which volumes it has shows when it is there.
        is_ours = label.startswith("moor.") and place.id is None
        return None if is_ours else place.labels.get(label, "")
    if subject.startswith(_ENGINE_LABELS):
        labels = place.engine_labels
        return None if labels is None else labels.get(subject.removeprefix(_ENGINE_LABELS), "")
    return {
        "node.id": place.id,
        "node.hostname": place.hostname,
        "node.ip": place.address,
        "node.role": place.role,
        "node.platform.os": place.os,
        "node.platform.arch": place.architecture,
    }.get(subject.lower())
