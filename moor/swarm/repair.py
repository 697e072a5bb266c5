"""Nodes that are not in the swarm as the settings say: found before a plan, and put right by it.

Terraform knows of a node's membership that its step has run once. Whether the node is in the swarm
still, it does not ask. So the swarm is asked before each plan, and the steps of the nodes that are
not as they should be run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moor.swarm import roll
from moor.swarm.cluster import by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from moor.swarm.cluster import Member

RUNNING: Final = "running"
"""EC2's word for a machine that is up; the swarm may have lost it all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A node that is not in the swarm as it should be.

    Attributes:
        node: Its name.
        text: What is wrong, and what happens to it, in one line.
        joins_again: Whether its step into the swarm has to run again; where the machine is gone
            that follows from the new one by itself.
    """

    node: str
    text: str
    joins_again: bool


def find(
    wanted: Mapping[str, bool],
    members: Iterable[Member],
    *,
    deployed: Mapping[str, str],
    state_of: Callable[[str], str],
) -> list[Finding]:
    """Compare the swarm with what the settings say.

    Args:
        wanted: By the names of the settings' nodes whether each is a manager.
        members: The swarm's members.
        deployed: By the names of nodes that have a machine its id. A node without one is new: it
            joins by the plan as it is.
        state_of: Tells the state of a machine in EC2's word, by its id; empty where it is gone. It
            is asked about nodes that are missing or down only.
    """
    known = by_name(members)
    found = []
    for name, is_manager in wanted.items():
        if name not in deployed:
            continue
        finding = _finding(name, known.get(name), deployed[name], state_of, is_manager=is_manager)
        if finding is not None:
            found.append(finding)
    return found


def unfinished(members: Iterable[Member], touched: Iterable[str]) -> list[str]:
    """Return the nodes to be let to work again, which a command that was ended has drained.

    Args:
        members: The swarm's members.
        touched: The nodes that the present plan drains itself.
    """
    present = set(touched)
    return [name for name in roll.unfinished(members) if name not in present]


def _finding(
    name: str,
    member: Member | None,
    machine: str,
    state_of: Callable[[str], str],
    *,
    is_manager: bool,
) -> Finding | None:
    if member is not None and member.state != "down":
        role = "manager" if is_manager else "worker"
        if member.is_manager == is_manager:
            return None
        return Finding(
            node=name,
            text=f"node {name}: is a {member.role}, and becomes the {role} that the settings say",
            joins_again=True,
        )
    how = "not in the swarm" if member is None else "down in the swarm"
    state = state_of(machine)
    if state == RUNNING:
        return Finding(
            node=name,
            text=f"node {name}: {how}, and its machine {machine} runs: it joins again",
            joins_again=True,
        )
    if state in ("", "terminated", "shutting-down"):
        return Finding(
            node=name,
            text=f"node {name}: {how}, and its machine {machine} is gone: another one is made",
            joins_again=False,
        )
    return Finding(
        node=name,
        text=(
            f"node {name}: {how}, and its machine {machine} is {state}: start it, or replace it "
            f"with `moor host replace {name}`"
        ),
        joins_again=False,
    )
