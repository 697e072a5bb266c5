"""What a plan of the first stack does to nodes that are in the swarm already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moor.outputs import Node
    from moor.plan import Change, StackPlan
    from moor.swarm.cluster import Member
    from moor.toolchain.stack import Stack

_MACHINE: Final = "aws_instance."
_INTERFACE: Final = "aws_network_interface."
_STEPS: Final = "terraform_data."
_NODES: Final = "Nodes"
_API: Final = "DockerApi"
_HARMLESS: Final = ("tags", "tags_all", "volume_tags")
"""What changes of a machine without anybody on it noticing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """The nodes in the swarm that a plan touches, by what happens to them.

    Attributes:
        leaving: Whose machines are destroyed, and not replaced.
        renewed: Whose machines are replaced.
        restarted: Whose Docker, or whole machine, starts anew.
        kept: Those of the renewed whose data volume goes to the new machine.
    """

    leaving: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def rolled(self) -> tuple[str, ...]:
        """Those that come back, which are done one at a time."""
        return (*self.renewed, *self.restarted)


def impact(
    plan: StackPlan,
    *,
    stack: Stack,
    nodes: Mapping[str, Node],
    members: Mapping[str, Member],
) -> Impact:
    """Find the nodes that a plan touches.

    Args:
        plan: The first stack's plan.
        stack: The first stack, synthesized.
        nodes: The machines, as the last deployment told of them.
        members: The swarm's members by their names: who is none has no tasks to lose.
    """
    places = places_of(stack)
    machines = {node.instance_id: name for name, node in nodes.items()}
    # A machine that is made where its node is a member is gone, whether the swarm has noticed yet
    # or not: it has no tasks that could move away, and nothing of it comes back.
    gone = {
        places[change.address][0]
        for change in plan.changes
        if change.action == "create" and change.address.startswith(_MACHINE)
        if change.address in places
    }
    found: dict[str, dict[str, None]] = {"leaving": {}, "renewed": {}, "restarted": {}}
    for change in plan.changes:
        kind, name = _effect(change, places, machines)
        if name in members and members[name].state != "down" and name not in gone:
            found[kind][name] = None
    restarted = [name for name in found["restarted"] if name not in found["renewed"]]
    return Impact(
        leaving=_sorted(found["leaving"]),
        renewed=_sorted(found["renewed"]),
        restarted=_sorted(restarted),
        kept=_sorted({*found["renewed"]} & kept_of(plan, places)),
    )


def kept_of(plan: StackPlan, places: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the nodes whose data volumes go to new machines, and whose addresses do, too.

    Args:
        plan: The first stack's plan. What is attached before counts, and not what is to come.
        places: What `places_of` says of the stack.
    """
    replaced = [c for c in plan.changes if c.action == "replace" and c.address in places]
    moved = {places[c.address][0] for c in replaced if c.address.startswith(_INTERFACE)}
    return {places[c.address][0] for c in replaced if c.kept} - moved


def places_of(stack: Stack) -> dict[str, tuple[str, ...]]:
    """Return by address what is a node's: its name, and what follows that in the path.

    Args:
        stack: The first stack, synthesized.
    """
    found: dict[str, tuple[str, ...]] = {}

    def note(path: str, address: str) -> None:
        parts = path.split("/")
        if _NODES in parts[:-1]:
            found[address] = tuple(parts[parts.index(_NODES) + 1 :])

    for address, path in stack.paths():
        note(path, address)
    return found


def own(stack: Stack, name: str) -> list[str]:
    """Return the addresses of a node's machine, and of all that is only for it.

    Its step into the swarm is none of them: it waits for every other node's machine.

    Args:
        stack: The first stack, synthesized.
        name: The node.
    """
    return stack.addresses(lambda path: path.startswith(f"{_NODES}/{name}/"))


def machine(stack: Stack, name: str) -> list[str]:
    """Return the address of a node's machine.

    Args:
        stack: The first stack, synthesized.
        name: The node.
    """
    return [address for address in own(stack, name) if address.startswith(_MACHINE)]


def join_steps(stack: Stack, names: Iterable[str]) -> list[str]:
    """Return the addresses of the steps that have nodes in the swarm.

    Args:
        stack: The first stack, synthesized.
        names: The nodes.
    """
    wanted = {f"Swarm/{_NODES}/{name}" for name in names}
    return stack.addresses(lambda path: path.removesuffix("/Resource") in wanted)


def _effect(
    change: Change, places: Mapping[str, tuple[str, ...]], machines: Mapping[str, str]
) -> tuple[str, str]:
    """Return what a change does, and to which node; to none where the name is empty."""
    if change.address.startswith(_MACHINE):
        name = machines.get(change.identity, "")
        if change.action == "destroy":
            return "leaving", name
        if change.action == "replace":
            return "renewed", name
        if change.action == "update" and any(
            not attribute.name.startswith(_HARMLESS) for attribute in change.attributes
        ):
            return "restarted", name
        return "", ""
    place = places.get(change.address, ())
    if change.address.startswith(_STEPS) and change.action != "destroy" and _API in place[1:]:
        return "restarted", place[0]
    return "", ""


def _sorted(names: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted(names))
